"""Edits that came too late, as items of a partition of their own, until they are logged as conflicts."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.edge_cache.items import refuse_too_large, time_in, time_text
from crm_relay.edge_cache.keys import ENTITIES
from crm_relay.edge_cache.models import LateEdit
from crm_relay.platform.aws.dynamo import Attributes, Table, Update, key, side_by_side, text, text_in

PARTITION = "late"


class LateEdits:
    """In the table of the cache; the sort key is the edit, so that one which comes again is the same item."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def keep(self, edit: LateEdit) -> None:
        """Raises RejectedInput for one over 400 KB."""
        sets = {
            "doc": text(edit.doc),
            "entity": text(edit.entity),
            "row_id": text(str(edit.row_id)),
            "edited_at": text(time_text(edit.edited_at)),
        }
        refuse_too_large(_key(edit), sets)
        self._table.update(_key(edit), Update(sets))

    def oldest(self, limit: int) -> list[LateEdit]:
        """What others left in the partition is passed over."""
        found: list[LateEdit] = []
        for page in self._table.query("pk = :pk", {"pk": PARTITION}, page_size=limit):
            found += [edit for each in page if (edit := _edit(each)) is not None]
            if len(found) >= limit:
                break
        return found[:limit]

    def forget(self, edits: Sequence[LateEdit]) -> None:
        """Those that are there."""
        side_by_side(lambda edit: self._table.delete(_key(edit)), edits)


def _key(edit: LateEdit) -> Attributes:
    digest = hashlib.sha256(edit.doc.encode()).hexdigest()[:16]
    return key(PARTITION, f"{time_text(edit.edited_at)}#{edit.entity}#{edit.row_id}#{digest}")


def _edit(attributes: Mapping[str, Any]) -> LateEdit | None:
    entity = next((each for each in ENTITIES if each == text_in(attributes, "entity")), None)
    at: datetime | None = time_in(attributes, "edited_at")
    doc = text_in(attributes, "doc")
    try:
        row_id = UUID(text_in(attributes, "row_id") or "")
    except ValueError:
        return None
    return None if entity is None or at is None or doc is None else LateEdit(entity, row_id, doc, at)
