"""What edge workers write: e-mails, once however often they say so."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.edge_cache.decisions import differences
from crm_relay.edge_cache.documents import canonical, read_document
from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.table import EdgeTable


@dataclass(frozen=True)
class RecordedEmail:
    """`is_new` False: the item has this edit, or a later one, already."""

    row_id: UUID
    is_new: bool


def record_email(table: EdgeTable, email: Mapping[str, Any], now: datetime) -> RecordedEmail:
    """Create or change an e-mail at the edge; it reaches PostgreSQL within five minutes. RejectedInput with 422.

    The whole e-mail is given, also for a change. `updated_at` says when it was written (default: `now`): of two edits
    the later one stands, and the same one twice is one.
    """
    return record_edit(table, "emails", email, now)


def record_edit(table: EdgeTable, entity: Entity, content: Mapping[str, Any], now: datetime) -> RecordedEmail:
    """The same for a copy of something else, where it is a conflict that is logged and decided by the last write."""
    document = read_document(entity, content)
    known = table.get(entity, [document.id]).get(document.id)
    at = document.updated_at or now
    stamped = document.model_copy(update={"updated_at": at, "created_at": document.created_at or at})
    doc = canonical(stamped)
    if known is not None and known.doc is not None and not differences(known.doc, doc):
        # Asked once more: an edit of nothing would make the next change of PostgreSQL look like a conflict.
        return RecordedEmail(document.id, is_new=False)
    item = table.edit(entity, document.id, doc, edited_at=at)
    return RecordedEmail(document.id, is_new=item.edits > (0 if known is None else known.edits))
