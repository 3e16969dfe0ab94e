"""Publishes a workflow: its definition is proven as a whole, becomes a version for ever, and is listened for."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from crm_relay.incidents.record import close_incidents
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import RejectedInput, TransientError
from crm_relay.workflows.definition.prove_drafts import prove_drafts, record_published
from crm_relay.workflows.definition.store import INCIDENT
from crm_relay.workflows.events.listen import listen_to_changes
from crm_relay.workflows.events.store import heard_since

OPERATOR = "operator"
"""Who did it, where it was done at the command line."""


@dataclass(frozen=True)
class WorkflowPublished:
    """`changed` False: this definition is active already, as that version.

    `is_heard` False: somebody is writing to a table that needs a trigger; the next tick makes it. `listens_since`: what
    happens from then on is heard; None: not all of it is heard yet, or it starts by no event.
    """

    id: UUID
    name: str
    version: int
    changed: bool
    is_heard: bool = True
    listens_since: datetime | None = None


def publish(db: Database, workflow_id: UUID, now: datetime, *, who: str = OPERATOR) -> WorkflowPublished:
    """What stands in the row becomes the version that runs; runs that have begun keep theirs. Safe to call twice.

    What happened before, by the clock of the database, starts nothing. RejectedInput with 422, whose details are all
    problems by their path, the circle with other workflows included; with 404 for no such workflow.
    """
    published = db.transact(lambda tx: _publish(tx, workflow_id, now, who))
    is_heard = listen_now(db, now) if published.changed else True
    return replace(published, is_heard=is_heard, listens_since=heard_since(db, workflow_id))


def listen_now(db: Database, now: datetime) -> bool:
    """Whether all is heard; what could not be done now is done by the next tick, and undoes nothing."""
    try:
        return listen_to_changes(db, now).is_complete
    except TransientError:
        return False


def subject_of(org_id: UUID, workflow_id: UUID) -> str:
    """Of the incident of a row that cannot be published."""
    return f"{org_id}/{workflow_id}"


def _publish(tx: Transaction, workflow_id: UUID, now: datetime, who: str) -> WorkflowPublished:
    drafts = prove_drafts(tx, [workflow_id])
    if not drafts or drafts[0].row["is_deleted"]:
        raise RejectedInput("there is no such workflow", status=404)
    (draft,) = drafts
    name: str = draft.row["name"]
    if draft.is_published:
        return WorkflowPublished(draft.id, name, draft.row["active_version"], changed=False)
    if draft.problems:
        raise RejectedInput("the workflow cannot be published", status=422, details=draft.problems)
    record_published(tx, drafts, who)
    close_incidents(tx, INCIDENT, [subject_of(draft.row["org_id"], draft.id)], now)
    return WorkflowPublished(draft.id, name, draft.row["newest_version"] + 1, changed=True)
