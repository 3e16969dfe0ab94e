"""The SQL of schedules."""

from datetime import datetime
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Statement, queries_beside

_SQL = queries_beside(__file__)

ScheduleKey = tuple[UUID, int]
"""The workflow, and the place of the trigger in its version."""


def due_schedule(db: Queryable, now: datetime) -> ScheduleKey | None:
    """None: nothing is due, or others are at all that is."""
    rows = db.run(_SQL["due_schedule"], now=now)
    return (rows[0]["workflow_id"], rows[0]["trigger_index"]) if rows else None


def hold_schedule(db: Queryable, key: ScheduleKey, now: datetime) -> Row | None:
    """`next_at` and `after_id`, locked until the transaction ends."""
    rows = db.run(_SQL["hold_schedule"], workflow_id=key[0], trigger_index=key[1], now=now)
    return rows[0] if rows else None


def moving(key: ScheduleKey, next_at: datetime | None, after_id: UUID | None) -> Statement:
    """`next_at` None: it is removed."""
    if next_at is None:
        return _SQL["remove_schedule"].bind(workflow_id=key[0], trigger_index=key[1])
    return _SQL["move_schedule"].bind(workflow_id=key[0], trigger_index=key[1], next_at=next_at, after_id=after_id)
