"""Shows conflicts, and brings back the version that lost."""

import json
from datetime import datetime

from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.replication import conflict_store as store
from crm_relay.edge_cache.store import note_change, source_rows, write_edits
from crm_relay.platform.database import Database, Queryable, Row
from crm_relay.platform.errors import RejectedInput


def list_conflicts(db: Queryable, *, open_only: bool = True, limit: int = 100) -> list[Row]:
    """The latest first: which fields differed, who won by which rule; not their content."""
    return store.conflicts(db, open_only=open_only, limit=limit)


def conflict(db: Queryable, conflict_id: int) -> Row:
    """One of them with both versions as JSON text. RejectedInput with 404 where there is none."""
    found = store.conflict(db, conflict_id)
    if found is None:
        raise RejectedInput("no such conflict", status=404)
    return found


def revert(db: Database, conflict_id: int, *, who: str, now: datetime) -> Row:
    """Write the losing version into PostgreSQL, from where it reaches the edge; once.

    An e-mail that was deleted is made again: all of it is known. RejectedInput: 404 for no such conflict; 409 where it
    was reverted before, where there was no losing version, where any other row does not exist any more, or where it
    changed at this very moment.
    """

    def work(transaction: Queryable) -> Row:
        found = conflict(transaction, conflict_id)
        loser = found["edge_doc"] if found["winner"] == "postgres" else found["postgres_doc"]
        if loser is None or not store.mark_reverted(transaction, conflict_id, who=who, now=now):
            raise RejectedInput("this conflict has nothing (more) to revert", status=409)
        # It is written now, whenever it was written first.
        doc = json.dumps(json.loads(loser) | {"updated_at": now.isoformat()})
        item = CacheItem(found["entity"], found["row_id"], 0, doc, now, now)
        row = source_rows(transaction, [item]).get(item.row_id)
        if not write_edits(transaction, item.entity, [(item, row)], by_hand=True):
            raise RejectedInput("the row is not what it was: nothing was reverted", status=409)
        note_change(transaction, item.entity, item.row_id)
        return found

    return db.transact(work)
