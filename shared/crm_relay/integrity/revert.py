"""Takes back what a fix changed: one fix, or all of a run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.edge_cache.keys import ENTITIES, Entity
from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.integrity import store
from crm_relay.integrity.replicate_again import item_from_json
from crm_relay.platform.database import Database, Queryable, Row
from crm_relay.platform.errors import RejectedInput

_MARKS = {"marked orphaned", "marked duplicate", "moved to its organization"}


@dataclass(frozen=True)
class Reverted:
    """Fixes that were taken back, and those that could not be: what they changed has changed again since."""

    fixes: tuple[int, ...]
    left: tuple[int, ...]


def revert(db: Database, table: EdgeTable, wanted: str, *, who: str, now: datetime) -> Reverted:
    """`wanted` is the number of a fix, or `run-` and that of a run. Safe to call twice, also after a crash.

    What was taken back is not mended again unasked for 30 days. RejectedInput: 422 for neither, 404 where there is
    nothing to take back (any more).
    """
    fix_id, run_id = _numbers(wanted)
    done: list[int] = []
    tried: list[int] = []
    while rows := store.fixes_to_revert(db, fix_id=fix_id, run_id=run_id, tried=tried):
        tried += [row["id"] for row in rows]
        done += sorted(_revert(db, table, rows, who, now))
    if not tried:
        raise RejectedInput("no fix with this number can be taken back", status=404)
    return Reverted(tuple(done), tuple(sorted(set(tried) - set(done))))


def _numbers(wanted: str) -> tuple[int | None, int | None]:
    number = wanted.removeprefix("run-")
    if not number.isdecimal() or len(number) > len("9223372036854775807") - 1:
        raise RejectedInput("the number of a fix, or run- and that of a run", status=422)
    return (None, int(number)) if wanted.startswith("run-") else (int(number), None)


def _revert(db: Database, table: EdgeTable, rows: Sequence[Row], who: str, now: datetime) -> set[int]:
    drift = [row for row in rows if row["check_name"] == "drift"]
    statuses = [row["id"] for row in rows if row["entity"] == "mautic_sync_status"]
    enrollments = [row["id"] for row in rows if row["entity"] == "campaign_enrollments"]
    lines = [row["id"] for row in rows if row["entity"] == "campaign_sequence_logs"]
    emails = [row for row in rows if row["entity"] == "emails" and row["check_name"] not in {"drift", "backlog"}]
    marks = [row["id"] for row in emails if row["action"] in _MARKS]
    rest = [row["id"] for row in emails if row["action"] not in _MARKS]
    done = _emails(db, marks, who, now, quiet=True) | _emails(db, rest, who, now, quiet=False)
    done |= store.undo_statuses(db, statuses, who, now) if statuses else set()
    done |= store.undo_enrollments(db, enrollments, who, now) if enrollments else set()
    done |= store.undo_lines(db, lines, who, now) if lines else set()
    return done | (_items(db, table, drift, who, now) if drift else set())


def _emails(db: Database, ids: Sequence[int], who: str, now: datetime, *, quiet: bool) -> set[int]:
    def work(transaction: Queryable) -> set[int]:
        if quiet:
            store.leave_time(transaction)
        return store.undo_emails(transaction, ids, who, now)

    return db.transact(work) if ids else set()


def _items(db: Queryable, table: EdgeTable, rows: Sequence[Row], who: str, now: datetime) -> set[int]:
    """Put back first and marked after that: a crash in between is noticed by the item that is back already."""
    there = {entity: table.get(entity, _ids(rows, entity)) for entity in ENTITIES if _ids(rows, entity)}
    back = [row["id"] for row in rows if _put_back(table, row, there[row["entity"]].get(UUID(row["row_id"])), now)]
    return store.mark_reverted(db, back, who, now) if back else set()


def _put_back(table: EdgeTable, row: Row, there: CacheItem | None, now: datetime) -> bool:
    """False where the edge does not have any more what the fix left there, or where the copy was erased."""
    before, after = json.loads(row["before"] or "null"), json.loads(row["after"])
    if before is not None and "erased" in before:
        return False
    row_id = UUID(row["row_id"])
    item = item_from_json(row["entity"], row_id, before)
    if not _is_same(item, there):
        # What is written between this look and the restoring stays, too.
        return _is_left_by(after, before, there) and table.put_back(row["entity"], row_id, item, seen=there, now=now)
    return True


def _is_same(item: CacheItem | None, there: CacheItem | None) -> bool:
    if item is None or there is None:
        return item is there
    return (item.version, item.doc, there.edited_at) == (there.version, there.doc, None)


def _is_left_by(after: Mapping[str, object], before: Mapping[str, object] | None, there: CacheItem | None) -> bool:
    if "queued" in after:
        # What an edit says is decided by the push; that it does not wait any more is nothing to go back to.
        return False
    if "pushed" in after:
        if there is None or there.edited_at is None:
            return False
        # Fixes of earlier releases did not note the number of the edit.
        return there.edits == after["edits"] if "edits" in after else there.doc == (before or {}).get("doc")
    if there is None or there.edited_at is not None:
        return False
    return there.version == after["version"] or ("deleted" in after and there.doc is None)


def _ids(rows: Sequence[Row], entity: Entity) -> list[UUID]:
    return [UUID(row["row_id"]) for row in rows if row["entity"] == entity]
