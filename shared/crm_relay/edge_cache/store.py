"""The room's SQL, and nothing else's."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.models import EDIT_WAITS, CacheItem, SourceRow, WriteResult
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)

_WRITE = {
    "emails": _SQL["write_emails"],
    "prospects": _SQL["write_prospects"],
    "campaigns": _SQL["write_campaigns"],
    "mailboxes": _SQL["write_mailboxes"],
}

Key = tuple[Entity, UUID]
"""Two entities may use one id."""


@dataclass(frozen=True)
class ChangedRow:
    """A row as it is now, and the numbers of the changes that are confirmed with it."""

    row: SourceRow
    seqs: tuple[int, ...]


@dataclass(frozen=True)
class EntityState:
    """How large an entity was when it was counted last.

    `is_blocked`: its deletions are held back; `resync_stopped`: its latest resync would have deleted too much.
    """

    entity: Entity
    known_rows: int
    is_blocked: bool
    shrink_allowed: bool
    resync_stopped: bool


def begin_run(db: Queryable, direction: str, *, ordered_by: str, now: datetime, entity: str | None = None) -> int:
    """The number of the run in sync_log."""
    return int(db.run(_SQL["begin_run"], direction=direction, entity=entity, ordered_by=ordered_by, now=now)[0]["id"])


def finish_run(
    db: Queryable, run_id: int, counts: "Counts", *, status: str, error: str | None, pending: int | None, now: datetime
) -> None:
    """`error` is one of our own messages."""
    db.run(
        _SQL["finish_run"],
        id=run_id,
        now=now,
        status=status,
        error=error,
        pending=pending,
        read=counts.read,
        written=counts.written,
        unchanged=counts.unchanged,
        deleted=counts.deleted,
        parked=counts.parked,
        conflicts=counts.conflicts,
    )


@dataclass
class Counts:
    """What a run has done so far; all but `read` are confirmed."""

    read: int = 0
    written: int = 0
    unchanged: int = 0
    deleted: int = 0
    parked: int = 0
    conflicts: int = 0


def pending_changes(db: Queryable) -> dict[str, tuple[int, int]]:
    """Entity -> rows that wait, and how many of them are gone."""
    return {row["entity"]: (row["waiting"], row["deletions"]) for row in db.run(_SQL["pending_changes"])}


def count_source(db: Queryable, entity: Entity) -> int:
    """How many rows there are."""
    return int(db.run(_SQL["count_source"], entity=entity)[0]["rows"])


def note_count(db: Queryable, entity: Entity, *, rows: int, blocked: bool, now: datetime) -> None:
    """What the next deletion is held against."""
    db.run(_SQL["note_count"], entity=entity, rows=rows, blocked=blocked, now=now)


def entities(db: Queryable, now: datetime) -> list[EntityState]:
    """All that are replicated."""
    return [
        EntityState(
            row["entity"],
            row["known_rows"],
            row["blocked_at"] is not None,
            row["shrink_allowed"],
            row["resync_stopped"],
        )
        for row in db.run(_SQL["entities"], now=now)
    ]


def allow_shrink(db: Queryable, names: Sequence[Entity], *, until: datetime) -> None:
    """Until then their deletions are passed on, however many."""
    db.run(_SQL["allow_shrink"], entities=[str(name) for name in names], until=until)


def changed_rows(
    db: Queryable,
    *,
    only: Sequence[Entity] | None,
    blocked: Sequence[str],
    now: datetime,
    limit: int,
    names_only: bool = False,
) -> list[ChangedRow]:
    """A page of what changed, and of what is parked and due. `names_only`: without reading the rows."""
    rows = db.run(
        _SQL["changed_rows"],
        entities=None if only is None else [str(name) for name in only],
        blocked=list(blocked),
        now=now,
        limit=limit,
        names_only=names_only,
    )
    return [ChangedRow(_row(row["entity"], row), tuple(row["seqs"] or ())) for row in rows]


def confirm(db: Queryable, results: Sequence[WriteResult], seqs: Sequence[int], now: datetime) -> None:
    """Forget these changes; what failed is parked. Safe to call twice."""
    outcomes = [
        {
            "entity": each.row.entity,
            "id": each.row.row_id,
            "outcome": each.outcome.value,
            "reason": each.reason or each.outcome.value,
        }
        for each in results
    ]
    db.run(_SQL["confirm"], results=Json(outcomes), seqs=list(seqs), now=now)


def source_rows(db: Queryable, wanted: Sequence[CacheItem]) -> dict[UUID, SourceRow]:
    """What PostgreSQL has now of these items, which are of one entity."""
    return {row_id: row for (_, row_id), row in keyed_rows(db, wanted).items()}


def keyed_rows(db: Queryable, wanted: Sequence[CacheItem]) -> dict[Key, SourceRow]:
    """The same for items of any entity."""
    return _by_key(db.run(_SQL["source_rows"], wanted=_named(wanted))) if wanted else {}


def agreed_rows(db: Queryable, wanted: Sequence[CacheItem], now: datetime) -> dict[Key, SourceRow]:
    """The same, with a tombstone for each that PostgreSQL does not have; none of these edits stays parked."""
    return _by_key(db.run(_SQL["agreed_rows"], wanted=_named(wanted), now=now)) if wanted else {}


def present_rows(db: Queryable, wanted: Sequence[Key], now: datetime) -> dict[Key, SourceRow]:
    """As they are now, with a tombstone for each that PostgreSQL does not have."""
    names = Json([{"entity": entity, "id": row_id} for entity, row_id in wanted])
    return _by_key(db.run(_SQL["present_rows"], wanted=names, now=now))


def _by_key(rows: Sequence[Row]) -> dict[Key, SourceRow]:
    return {(row["entity"], row["id"]): _row(row["entity"], row) for row in rows}


def deleted_emails(db: Queryable, ids: Sequence[UUID]) -> set[UUID]:
    """Those that were deleted in PostgreSQL."""
    return {row["id"] for row in db.run(_SQL["deleted_emails"], ids=list(ids))} if ids else set()


def source_page(
    db: Queryable, entity: Entity, *, after: UUID | None, limit: int, names_only: bool = False
) -> list[SourceRow]:
    """The next rows by number. `names_only`: without their documents."""
    rows = db.run(_SQL["source_page"], entity=entity, after=after, limit=limit, names_only=names_only)
    return [_row(entity, row) for row in rows]


def _row(entity: Entity, row: Row) -> SourceRow:
    return SourceRow(entity, row["id"], row["version"], row["updated_at"], row["doc"], row.get("edge_base"))


def _named(items: Sequence[CacheItem]) -> Json:
    return Json([{"entity": each.entity, "id": each.row_id} for each in items])


def draw_versions(db: Queryable, number: int) -> list[int]:
    """Versions that no row has had."""
    return [row["version"] for row in db.run(_SQL["draw_versions"], number=number)] if number else []


def raise_versions(db: Queryable, *, above: int) -> None:
    """What is written from now on is newer than this."""
    db.run(_SQL["raise_versions"], seen=above)


def lift(db: Queryable, entity: Entity, ids: Sequence[UUID]) -> None:
    """New versions for rows of which the edge has a later one than PostgreSQL; the next page writes them."""
    db.run(_SQL["lift"], entity=entity, ids=list(ids))


def write_edits(
    db: Queryable, entity: Entity, edits: Sequence[tuple[CacheItem, SourceRow | None]], *, by_hand: bool = False
) -> set[UUID]:
    """The ids of those that PostgreSQL took; a row that has changed since it was read is left for the next time.

    `by_hand`: it is not what an edit at the edge made of the row.
    """
    rows = [_edit(item, row) | ({"base": None} if by_hand else {}) for item, row in edits]
    return {row["id"] for row in db.run(_WRITE[entity], rows=Json(rows))}


def _edit(item: CacheItem, row: SourceRow | None) -> dict[str, object]:
    seen = 0 if row is None else row.version
    return {"seen_version": seen, "base": item.version, "doc": json.loads(item.doc or "{}")}


def log_conflicts(db: Queryable, conflicts: Sequence[dict[str, object]], now: datetime) -> None:
    """Each edit once."""
    if conflicts:
        db.run(_SQL["log_conflicts"], conflicts=Json(list(conflicts)), now=now)


def park_edits(db: Queryable, edits: Sequence[tuple[CacheItem, str]]) -> None:
    """With the reason of each, which names fields and rules, never a value."""
    parked = [{"entity": item.entity, "id": item.row_id, "reason": reason} for item, reason in edits]
    if parked:
        db.run(_SQL["park_edits"], edits=Json(parked))


def note_change(db: Queryable, entity: Entity, row_id: UUID) -> None:
    """The next run to the edge writes the row."""
    db.run(_SQL["note_change"], entity=entity, id=row_id)


def last_runs(db: Queryable, now: datetime) -> list[Row]:
    """direction, last_success_at, last_status, last_error, last_written, written_24h, failures_24h."""
    return db.run(_SQL["last_runs"], now=now)


def backlog(db: Queryable, now: datetime) -> Row:
    """pending, oldest, parked_to_cache, stuck_to_cache (they wait for no edit), parked_to_postgres, conflicts_24h."""
    return db.run(_SQL["backlog"], now=now, steps_aside=EDIT_WAITS)[0]


def recent_runs(db: Queryable, *, limit: int) -> list[Row]:
    """The latest lines of sync_log."""
    return db.run(_SQL["recent_runs"], limit=limit)
