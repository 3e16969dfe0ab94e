"""The SQL of the view of all deliveries: never a count over a large table."""

from datetime import datetime
from uuid import UUID

from crm_relay.notifications.moments import countable
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def open_deliveries(db: Queryable, *, limit: int) -> list[Row]:
    """channel, state, reason, deliveries, next_at."""
    return countable(db.run(_SQL["open_deliveries"], limit=limit))


def recent_deliveries(db: Queryable, since: datetime, *, limit: int) -> list[Row]:
    """channel, state, reason, deliveries."""
    return db.run(_SQL["recent_deliveries"], since=since, limit=limit)


def troubled_deliveries(db: Queryable, *, limit: int) -> list[Row]:
    """channel, state, deliveries, newest_at."""
    return db.run(_SQL["troubled_deliveries"], limit=limit)


def list_deliveries(
    db: Queryable, *, user_id: UUID | None, channel: str | None, state: str | None, limit: int
) -> list[Row]:
    """The newest first."""
    return countable(db.run(_SQL["list_deliveries"], user_id=user_id, channel=channel, state=state, limit=limit))
