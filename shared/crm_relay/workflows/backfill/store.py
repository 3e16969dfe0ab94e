"""The SQL of backfills."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import SqlValue, Statement, queries_beside

_SQL = queries_beside(__file__)


def order(db: Queryable, **backfill: SqlValue) -> bool:
    """False: one of the workflow is not completed."""
    return bool(db.run(_SQL["order_backfill"], **backfill))


def steer(
    db: Queryable, workflow: UUID, state: str, now: datetime, *, who: str, reason: str | None, version: int | None
) -> Row | None:
    """`id` and `changed` of the open one; None: there is none."""
    rows = db.run(
        _SQL["steer_backfill"], workflow=workflow, state=state, now=now, who=who, reason=reason, version=version
    )
    return rows[0] if rows else None


def end(db: Queryable, workflow: UUID, now: datetime) -> bool:
    """Whether there was one."""
    return bool(db.run(_SQL["end_backfill"], workflow=workflow, now=now))


def list_all(db: Queryable, workflow: UUID, limit: int) -> list[Row]:
    """Of a workflow, the newest first."""
    return db.run(_SQL["list_backfills"], workflow=workflow, limit=limit)


def due(db: Queryable, now: datetime) -> UUID | None:
    """None: nothing is due, or others are at all that is."""
    rows = db.run(_SQL["due_backfill"], now=now)
    return rows[0]["id"] if rows else None


def hold(db: Queryable, backfill: UUID, now: datetime) -> Row | None:
    """Its row, what is active and the pace; locked until the transaction ends."""
    rows = db.run(_SQL["hold_backfill"], id=backfill, now=now)
    return rows[0] if rows else None


def started_before(db: Queryable, workflow: UUID, entity_type: str, ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of `ids`."""
    rows = db.run(_SQL["started_before"], workflow=workflow, entity_type=entity_type, ids=list(ids))
    return frozenset(row["entity_id"] for row in rows)


def moving(backfill: UUID, now: datetime, **moved: SqlValue) -> Statement:
    """Its cursor, state and counts."""
    none: dict[str, SqlValue] = dict.fromkeys(("looked_at", "started", "refused", "had_runs", "failed"), 0)
    return _SQL["move_backfill"].bind(id=backfill, now=now, **({"after_id": None, "reason": None} | none | moved))
