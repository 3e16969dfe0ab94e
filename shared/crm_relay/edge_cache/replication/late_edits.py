"""Logs edits that came to the edge after a later one, as conflicts that they lost."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from crm_relay.edge_cache import store
from crm_relay.edge_cache.decisions import Side, lost_fields
from crm_relay.edge_cache.models import CacheItem, LateEdit, SourceRow
from crm_relay.edge_cache.store import Key
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Queryable
from crm_relay.rules.in_parts import in_parts

_PAGE = 500
_PAGE_SECONDS = 15.0
_RULE = "a later edit had reached the edge"


def log_late_edits(db: Queryable, table: EdgeTable, clock: Clock, deadline: Deadline) -> bool:
    """Two statements a page of 500, none where there are none. False: the time was up.

    What the database refuses even alone stays where it is, and hides nothing behind it.
    """
    refused: set[LateEdit] = set()
    while deadline.allows(_PAGE_SECONDS):
        found = table.late_edits(limit=_PAGE + len(refused))
        page = [edit for edit in found if edit not in refused]
        if not page:
            return True
        refused |= _log(db, page, clock).keys()
        table.forget_late([edit for edit in page if edit not in refused])
    return False


def _log(db: Queryable, page: Sequence[LateEdit], clock: Clock) -> dict[LateEdit, Exception]:
    now = clock()
    asked = [CacheItem(edit.entity, edit.row_id, 0, None, now, now) for edit in page]
    rows = store.keyed_rows(db, asked)

    def log(part: Sequence[LateEdit]) -> None:
        store.log_conflicts(db, [_conflict(edit, rows) for edit in part], now)

    return in_parts(page, log, believes=True)


def _conflict(edit: LateEdit, rows: Mapping[Key, SourceRow]) -> dict[str, object]:
    row = rows.get((edit.entity, edit.row_id))
    stands = None if row is None else row.doc
    return {
        "entity": edit.entity,
        "row_id": edit.row_id,
        "postgres_doc": None if stands is None else json.loads(stands),
        "edge_doc": json.loads(edit.doc),
        "postgres_at": None if row is None else row.updated_at,
        "edge_at": edit.edited_at,
        # Two may be of one moment, and each is logged once however often it comes.
        "edge_edits": -1 - int(hashlib.sha256(edit.doc.encode()).hexdigest()[:7], 16),
        "differing": list(lost_fields(edit.entity, edit.doc, stands)),
        "winner": Side.POSTGRES.value,
        "rule": _RULE,
    }
