"""Lists what is parked, has it tried again, and gives up an edit at the edge that PostgreSQL cannot take."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.edge_cache import store
from crm_relay.edge_cache.decisions import differences, which_meeting
from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.replication import conflict_store
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput


@dataclass(frozen=True)
class ParkedLine:
    """A row or an edit that could not be written; `retry_at` None: its next change is what is tried."""

    direction: str
    entity: str
    id: UUID
    reason: str
    attempts: int
    parked_at: datetime
    retry_at: datetime | None


@dataclass(frozen=True)
class Discarded:
    """`changed` False: the edge had PostgreSQL's version already."""

    entity: str
    id: UUID
    changed: bool


def list_parked(db: Database, *, limit: int) -> list[ParkedLine]:
    """The longest parked first."""
    return [ParkedLine(**row) for row in conflict_store.parked(db, limit=limit)]


def retry(db: Database, table: EdgeTable, now: datetime, *, wanted: tuple[Entity, UUID] | None = None) -> int:
    """Everything that is parked, or one row, is tried by the next runs; how many rows and edits. Safe to call twice.

    RejectedInput with 404 where the one that is wanted is not parked.
    """
    entity, row_id = wanted or (None, None)
    lines = conflict_store.retry(db, entity, row_id, now)
    if wanted and not lines:
        raise RejectedInput("nothing of this row is parked", status=404)
    for line in lines:
        if line["direction"] == "to_postgres":
            _wait_again(table, line["entity"], line["id"])
    return len(lines)


def _wait_again(table: EdgeTable, entity: Entity, row_id: UUID) -> None:
    """Unless it is edited at this very moment: then that edit waits."""
    item = table.get(entity, [row_id]).get(row_id)
    if item is not None and item.edited_at is not None:
        table.record(item, replace(item, edits=item.edits + 1))


def discard(db: Database, table: EdgeTable, entity: Entity, row_id: UUID, now: datetime, *, who: str) -> Discarded:
    """A parked edit gives way to what PostgreSQL has. It is kept as a conflict that PostgreSQL won, with `who`.

    Safe to call twice. RejectedInput: 404 where nothing of this row is parked, 409 where it was edited meanwhile.
    """
    if not conflict_store.is_parked(db, entity, row_id):
        raise RejectedInput("no edit of this row is parked", status=404)
    item = table.get(entity, [row_id]).get(row_id)
    waits = item is not None and item.edited_at is not None
    if item is not None and waits:
        row = store.keyed_rows(db, [item]).get((entity, row_id))
        store.log_conflicts(db, [_conflict(item, None if row is None else row.doc, who)], now)
        version = store.draw_versions(db, 1)[0] if row is None else row.version
        doc, at = (None, now) if row is None else (row.doc, row.updated_at)
        if not table.settle(item, version=version, doc=doc, updated_at=at, now=now):
            raise RejectedInput("the row was edited at the edge meanwhile: look at the new edit first", status=409)
    store.agreed_rows(db, [item or CacheItem(entity, row_id, 0, None, now, now)], now)
    return Discarded(entity, row_id, changed=waits)


def _conflict(item: CacheItem, postgres: str | None, who: str) -> dict[str, object]:
    return {
        "entity": item.entity,
        "row_id": item.row_id,
        "postgres_doc": None if postgres is None else json.loads(postgres),
        "edge_doc": _read(item.doc),
        "edge_at": item.edited_at,
        "edge_edits": which_meeting(item, postgres),
        "differing": list(differences(item.doc, postgres)),
        "winner": "postgres",
        "rule": f"the parked edit was discarded by {who}",
    }


def _read(doc: str | None) -> Mapping[str, Any] | str | None:
    """As text where it is no JSON."""
    try:
        found: Mapping[str, Any] = json.loads(doc or "null")
    except ValueError:
        return doc
    return found
