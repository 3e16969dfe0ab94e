"""What waits, was held, left and failed, by channel; and single deliveries."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.notifications.models import Channel
from crm_relay.notifications.overview import store
from crm_relay.platform.database import Queryable, Row

MOST_COUNTED = 10_000
"""Counts end here; so many, or more."""

DAY = timedelta(days=1)
_WAITING, _DIGEST = "waiting", "digest"
_ON_THE_WAY = frozenset({"queued", "sending"})
_SENT = frozenset({"sent", "dry_run"})


@dataclass(frozen=True)
class ChannelDeliveries:
    """One channel. `due`: would leave now; `held`: by reason; `in_digests`: members of digests that are open.

    `on_the_way`, `sent` and `skipped` are of the last day; `failed` and `unknown` of all that is kept. `next_at`: when
    the next one that is held, or digest, leaves.
    """

    channel: str
    due: int
    held: dict[str, int]
    in_digests: int
    next_at: datetime | None
    on_the_way: int
    sent: int
    skipped: dict[str, int]
    failed: int
    unknown: int


@dataclass(frozen=True)
class DeliveryLine:
    """One delivery, without a word of what it says. `template_slug` None: it was written without a template."""

    id: UUID
    notification_id: UUID
    user_id: UUID
    channel: str
    category: str
    lane: int
    state: str
    reason: str | None
    not_before: datetime | None
    left_at: datetime | None
    created_at: datetime
    template_slug: str | None
    is_critical: bool
    read_at: datetime | None


def show_channels(db: Queryable, now: datetime) -> list[ChannelDeliveries]:
    """Every channel, in their usual order. Three statements."""
    waiting = store.open_deliveries(db, limit=MOST_COUNTED)
    recent = store.recent_deliveries(db, now - DAY, limit=MOST_COUNTED)
    troubled = store.troubled_deliveries(db, limit=MOST_COUNTED)
    return [_channel(channel.value, waiting, recent, troubled) for channel in Channel]


def list_deliveries(
    db: Queryable,
    *,
    user_id: UUID | None = None,
    channel: str | None = None,
    state: str | None = None,
    limit: int = 100,
) -> list[DeliveryLine]:
    """The newest first."""
    rows = store.list_deliveries(db, user_id=user_id, channel=channel, state=state, limit=limit)
    return [DeliveryLine(**row) for row in rows]


def _channel(channel: str, waiting: list[Row], recent: list[Row], troubled: list[Row]) -> ChannelDeliveries:
    own = [row for row in waiting if row["channel"] == channel]
    day = [row for row in recent if row["channel"] == channel]
    trouble = {row["state"]: row["deliveries"] for row in troubled if row["channel"] == channel}
    times = [row["next_at"] for row in own if row["next_at"] is not None]
    return ChannelDeliveries(
        channel=channel,
        due=sum(row["deliveries"] for row in own if row["state"] == _WAITING and row["reason"] is None),
        held=_by_reason(row for row in own if row["state"] == _WAITING and row["reason"] is not None),
        in_digests=sum(row["deliveries"] for row in own if row["state"] == _DIGEST),
        next_at=min(times, default=None),
        on_the_way=sum(row["deliveries"] for row in day if row["state"] in _ON_THE_WAY),
        sent=sum(row["deliveries"] for row in day if row["state"] in _SENT),
        skipped=_by_reason(row for row in day if row["state"] == "skipped"),
        failed=trouble.get("failed", 0),
        unknown=trouble.get("unknown", 0),
    )


def _by_reason(rows: Iterable[Row]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row["reason"] or "unknown"] += row["deliveries"]
    return dict(counts)
