"""The SQL of looking at conflicts."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)


def conflicts(db: Queryable, *, open_only: bool, limit: int) -> list[Row]:
    """id, entity, row_id, differing, winner, rule, decided_at, reverted_at, reverted_by."""
    return db.run(_SQL["conflicts"], open_only=open_only, limit=limit)


def conflict(db: Queryable, conflict_id: int) -> Row | None:
    """With postgres_doc and edge_doc, and what a revert changed: reverted_before, reverted_after."""
    rows = db.run(_SQL["conflict"], id=conflict_id)
    return rows[0] if rows else None


def mark_reverted(
    db: Queryable,
    conflict_id: int,
    *,
    who: str,
    now: datetime,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
) -> bool:
    """With the fields before and after it. False where somebody did it before."""
    given = {"before": None if before is None else Json(before), "after": Json(after)}
    return bool(db.run(_SQL["mark_reverted"], id=conflict_id, who=who, now=now, **given))


def erase_conflicts(db: Queryable, marks: Iterable[str]) -> int:
    """Both versions go; that there was a conflict, and who won, stays."""
    return len(db.run(_SQL["erase_conflicts"], marks=sorted(marks)))


def count_conflicts(db: Queryable, marks: Iterable[str]) -> int:
    """How many hold one of `marks`."""
    return int(db.run(_SQL["count_conflicts"], marks=sorted(marks))[0]["conflicts"])


def parked(db: Queryable, *, limit: int) -> list[Row]:
    """direction, entity, id, reason, attempts, parked_at, retry_at."""
    return db.run(_SQL["parked"], limit=limit)


def retry(db: Queryable, entity: str | None, row_id: UUID | None, now: datetime) -> list[Row]:
    """direction, entity, id of what is parked; rows for the edge are due."""
    return db.run(_SQL["retry_parked"], entity=entity, id=row_id, now=now)


def is_parked(db: Queryable, entity: str, row_id: UUID) -> bool:
    """Whether an edit of this row is."""
    return bool(db.run(_SQL["parked_edit"], entity=entity, id=row_id))
