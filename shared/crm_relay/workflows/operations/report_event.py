"""Named events of a record that another system reports, and starts that it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from crm_relay.platform.clock import Clock
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import queries_beside
from crm_relay.workflows.events.emit import emit_event
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.starting import store
from crm_relay.workflows.starting.by_hand import StartAnswer, StartedBy, start_entity
from crm_relay.workflows.starting.records import read_records

_SQL = queries_beside(__file__, "waits.sql")

BY_API = "api"
"""The origin of events that another system reports."""


@dataclass(frozen=True)
class EventReported:
    """`id` None: no workflow of the record's organization listens to it, so nothing was kept.

    `is_new` False beside an id: the key was used before.
    """

    id: int | None
    is_new: bool


def report_event(
    db: Database,
    record: tuple[EntityType, UUID],
    name: str,
    *,
    payload: Mapping[str, object] | None = None,
    key: str | None = None,
    cause: UUID | None = None,
) -> EventReported:
    """Keep the event for the workflows of the record's organization. Safe to repeat with the same key.

    `cause`: the run that it follows from, or the `webhook-id` of a request of that run; the event is one deeper.
    RejectedInput with 404 for a record that is not there, with 422 for a part that cannot be kept.
    """

    def work(tx: Transaction) -> EventReported:
        org = _organization(tx, record)
        run, depth = _cause(tx, org, cause)
        emitted = emit_event(tx, org, record, name, payload, key, origin=BY_API, depth=depth, cause=run)
        return EventReported(emitted.id, emitted.is_new)

    return db.transact(work)


def start_workflow(
    db: Database,
    workflow_id: UUID,
    record: UUID,
    clock: Clock,
    *,
    who: str,
    key: str | None = None,
    user_id: UUID | None = None,
) -> StartAnswer:
    """Ask all gates but origin and depth, and start. Safe to repeat with the same key; without one each call is new.

    `user_id`: the colleague who asks, and who approves nothing of it. RejectedInput with 409 where the workflow is not
    published.
    """
    version = store.active_version(db, workflow_id, None)
    if version is None:
        raise RejectedInput("the workflow is not published", status=409)
    kind = EntityType(version["entity_type"])
    asked_by = StartedBy(user_id, who, key, version["org_id"])
    return start_entity(db, workflow_id, (kind, record), asked_by, clock)


def _cause(tx: Transaction, org: UUID, cause: UUID | None) -> tuple[UUID | None, int]:
    """A run and the depth of what follows from it."""
    if cause is None:
        return None, 0
    rows = tx.run(_SQL["cause_of"], org=org, cause=cause)
    if not rows:
        raise RejectedInput("cause: no run and no request of a workflow of this organization has this id", status=422)
    return rows[0]["id"], rows[0]["depth"] + 1


def _organization(tx: Transaction, record: tuple[EntityType, UUID]) -> UUID:
    key = (record[0].value, record[1])
    facts = read_records(tx, [key]).get(key)
    found = None if facts is None or facts.record is None else facts.record
    if found is None or found.get("deleted_at") is not None or found.get("org_id") is None:
        raise RejectedInput(f"there is no {key[0]} with this id", status=404)
    return UUID(str(found["org_id"]))
