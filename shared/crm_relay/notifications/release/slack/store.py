"""Notifications' SQL for messages to Slack, which has no ledger of its own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.notifications.moments import countable
from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.sql import Statement, queries_beside

_SQL = queries_beside(__file__)


@dataclass(frozen=True)
class ClaimedPost:
    """One message that is ours to send; `webhook_url` is a secret."""

    id: UUID
    is_digest: bool
    content: dict[str, Any]
    webhook_id: UUID
    webhook_url: str
    attempts: int

    def __repr__(self) -> str:
        """Without the address."""
        return f"ClaimedPost({self.id})"


def park_unclear(db: Transaction, now: datetime) -> list[Row]:
    """id and state of what may stand in a channel, and of what cannot be sent to any; what shares it ends with it."""
    locks = _SQL["lock_unclear"].bind(now=now)
    _, parked, posts, _ = db.send_all([locks, _SQL["park_unclear"].bind(now=now), *_sharing(now)])
    return [*parked, *(row for row in posts if row["is_gone"] and row["state"] == "unknown")]


def _sharing(now: datetime) -> list[Statement]:
    """Of messages that ended: their outcome reaches every delivery that shares them."""
    return [_SQL["end_posts"].bind(now=now), _SQL["share_outcomes"].bind(now=now)]


def claim_post(db: Queryable, now: datetime, *, claimed_until: datetime) -> ClaimedPost | None:
    """None where nothing is due for a channel that is free."""
    rows = db.run(_SQL["claim_post"], now=now, claimed_until=claimed_until)
    return ClaimedPost(**rows[0]) if rows else None


def next_post_at(db: Queryable, now: datetime) -> datetime | None:
    """When the next one can be claimed; None: nothing is due."""
    found: datetime | None = countable(db.run(_SQL["next_post_at"], now=now))[0]["at"]
    return found


def record_post(
    db: Transaction, post_id: UUID, now: datetime, *, state: str, reason: str | None, not_before: datetime | None
) -> None:
    """Of a delivery or a digest; `not_before` None leaves the time as it is."""
    record = _SQL["record_post"].bind(id=post_id, now=now, state=state, reason=reason, not_before=not_before)
    sharing = [] if state == "queued" else _sharing(now)
    db.send_all([_SQL["lock_post"].bind(id=post_id), record, *sharing])


def rest_webhook(db: Queryable, webhook_id: UUID, until: datetime) -> None:
    """Nothing is sent there before."""
    db.run(_SQL["rest_webhook"], id=webhook_id, until=until)


def disable_webhook(db: Queryable, webhook_id: UUID, now: datetime, *, reason: str) -> None:
    """Until somebody replaces its address."""
    db.run(_SQL["disable_webhook"], id=webhook_id, now=now, reason=reason)


def unknown_posts(db: Queryable, *, limit: int) -> list[Row]:
    """id, user_id, org_id, digest_id, left_at and updated_at."""
    return countable(db.run(_SQL["unknown_posts"], limit=limit))


def unknown_message(db: Queryable, message_id: UUID) -> tuple[str, UUID | None] | None:
    """Channel and id in a ledger of a delivery, digest or message; None where none of an unknown fate has the id."""
    rows = db.run(_SQL["unknown_message"], id=message_id)
    return (rows[0]["channel"], rows[0]["ledger_id"]) if rows else None


def settle_unknown_post(db: Transaction, message_id: UUID, now: datetime, *, was_sent: bool) -> list[Row]:
    """id, post_id, digest_id and org_id of the deliveries that are settled now."""
    state, reason = ("sent", None) if was_sent else ("failed", "not_sent")
    settling = _SQL["settle_unknown_post"].bind(id=message_id, now=now, state=state, reason=reason)
    return db.send_all([_SQL["lock_unknown_post"].bind(id=message_id), settling])[1]


def note_settled(db: Queryable, org_id: UUID, message_id: UUID, now: datetime, *, was_sent: bool, who: str) -> None:
    """A line in the history."""
    change = "settled_as_sent" if was_sent else "settled_as_not_sent"
    db.run(_SQL["note_settled"], org_id=org_id, id=message_id, now=now, change=change, who=who)
