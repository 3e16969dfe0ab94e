"""Notifications' SQL for messages to Slack, which has no ledger of its own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.notifications.moments import countable
from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.sql import Statement, queries_beside

_SQL = queries_beside(__file__, "slack.sql")


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
