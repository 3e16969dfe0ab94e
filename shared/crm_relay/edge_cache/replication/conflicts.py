"""Shows conflicts, and brings back what lost."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_relay.edge_cache.decisions import differences
from crm_relay.edge_cache.documents import canonical, read_document
from crm_relay.edge_cache.models import CacheItem, SourceRow
from crm_relay.edge_cache.replication import conflict_store as store
from crm_relay.edge_cache.store import note_change, source_rows, write_edits
from crm_relay.platform.database import Database, Queryable, Row
from crm_relay.platform.errors import RejectedInput

Fields = Mapping[str, Any]


def list_conflicts(db: Queryable, *, open_only: bool = True, limit: int = 100) -> list[Row]:
    """The latest first: which fields differed, who won by which rule; not their content."""
    return store.conflicts(db, open_only=open_only, limit=limit)


def conflict(db: Queryable, conflict_id: int) -> Row:
    """One of them with both versions as JSON text, and what a revert changed. RejectedInput with 404: there is none."""
    found = store.conflict(db, conflict_id)
    if found is None:
        raise RejectedInput("no such conflict", status=404)
    return found


def revert(db: Database, conflict_id: int, *, who: str, now: datetime) -> Row:
    """Write the fields that lost into PostgreSQL, from where they reach the edge; once.

    What the conflict was not about stays as it is. The fields before and after it are logged with the conflict. An
    e-mail that was deleted is made again: all of it is known. RejectedInput: 404 for no such conflict; 409 where it was
    reverted before, where there was no losing version, where any other row does not exist any more, and where one of
    the fields is not what won any more; 422 where what lost cannot be a row.
    """

    def work(transaction: Queryable) -> Row:
        found = conflict(transaction, conflict_id)
        loser, winner = _sides(found)
        item = CacheItem(found["entity"], found["row_id"], 0, None, now, now)
        row = source_rows(transaction, [item]).get(item.row_id)
        names = tuple(found["differing"]) or differences(json.dumps(winner), json.dumps(loser))
        before, after = _changes(names, loser, winner, row)
        # It is written now, whenever it was written first.
        doc = _document(found, (_read(row.doc) if row else loser) | after | {"updated_at": now.isoformat()})
        edit = CacheItem(found["entity"], found["row_id"], 0, doc, now, now)
        if not store.mark_reverted(transaction, conflict_id, who=who, now=now, before=before, after=after):
            raise RejectedInput("this conflict has nothing (more) to revert", status=409)
        if not write_edits(transaction, edit.entity, [(edit, row)], by_hand=True):
            raise RejectedInput("the row is not what it was: nothing was reverted", status=409)
        note_change(transaction, edit.entity, edit.row_id)
        return found

    return db.transact(work)


def _sides(found: Row) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The version that lost, and the one that won: None for a deletion."""
    docs = {"postgres": found["postgres_doc"], "edge": found["edge_doc"]}
    won = docs.pop(found["winner"])
    (lost,) = docs.values()
    if lost is None or found["reverted_at"] is not None:
        raise RejectedInput("this conflict has nothing (more) to revert", status=409)
    return _read(lost), None if won is None else _read(won)


def _changes(
    names: tuple[str, ...], loser: Fields, winner: Fields | None, row: SourceRow | None
) -> tuple[Fields | None, dict[str, Any]]:
    """The fields as they are, None for no row, and as they become. RejectedInput where they have changed since."""
    after = {name: loser.get(name) for name in names}
    if row is None and winner is None:
        return None, after
    if row is None or winner is None:
        raise RejectedInput("the row is not what it was: nothing was reverted", status=409)
    present = _read(row.doc)
    changed = [name for name in names if present.get(name) != winner.get(name)]
    if changed:
        details = [f"{name}: has changed since" for name in changed]
        raise RejectedInput("the row is not what it was: nothing was reverted", status=409, details=details)
    return {name: present.get(name) for name in names}, after


def _document(found: Row, fields: Fields) -> str:
    """As it is written; what PostgreSQL itself could not read is refused before."""
    return canonical(read_document(found["entity"], json.dumps(fields)))


def _read(doc: str | None) -> dict[str, Any]:
    content = json.loads(doc or "{}")
    if not isinstance(content, dict):
        raise RejectedInput("what lost is no document", status=422)
    return content
