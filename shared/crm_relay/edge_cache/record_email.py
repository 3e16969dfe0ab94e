"""What edge workers write: e-mails, once however often they say so."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.edge_cache.decisions import arrive, believed
from crm_relay.edge_cache.documents import canonical, read_document
from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.models import LateEdit
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.errors import TransientError

_TRIES = 10


@dataclass(frozen=True)
class RecordedEmail:
    """`is_new` False: the item has this edit, or a later one, already."""

    row_id: UUID
    is_new: bool


def record_email(table: EdgeTable, email: Mapping[str, Any], now: datetime) -> RecordedEmail:
    """Create or change an e-mail at the edge; it reaches PostgreSQL within five minutes. RejectedInput with 422.

    The whole e-mail is given, also for a change. `updated_at` says when it was written (default, and instead of a time
    more than five minutes ahead: `now`): of two edits the later one stands, and the same one twice is one. An edit that
    comes after a later one is logged as a conflict. Of each event (`opened_at`, …) the first time stands.
    """
    return record_edit(table, "emails", email, now)


def record_edit(table: EdgeTable, entity: Entity, content: Mapping[str, Any], now: datetime) -> RecordedEmail:
    """The same for a copy of something else, where it is a conflict that is logged and decided by the last write.

    TransientError where others edited the item in every try.
    """
    document = read_document(entity, content)
    at = believed(document.updated_at or now, now)
    stamped = document.model_copy(update={"updated_at": at, "created_at": document.created_at or at})
    edit = LateEdit(entity, document.id, canonical(stamped), at)
    for _ in range(_TRIES):
        known = table.get(entity, [document.id]).get(document.id)
        arrival = arrive(known, edit, now)
        if arrival.late is not None:
            table.keep_late(arrival.late)
        if arrival.after is None or table.record(known, arrival.after):
            return RecordedEmail(document.id, arrival.is_new)
    raise TransientError("the item was edited by others in every try")
