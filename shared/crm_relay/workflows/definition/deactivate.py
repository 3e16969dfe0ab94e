"""Takes a workflow out of use: it starts nothing more, and what has begun goes on."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.incidents.record import close_incidents
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.definition import store
from crm_relay.workflows.definition.prove_drafts import record_ended
from crm_relay.workflows.definition.publish import OPERATOR, listen_now, subject_of


@dataclass(frozen=True)
class WorkflowDeactivated:
    """`changed` False: no version of it was active."""

    id: UUID
    changed: bool


def deactivate(db: Database, workflow_id: UUID, now: datetime, *, who: str = OPERATOR) -> WorkflowDeactivated:
    """Runs that have begun keep their version; cancel them where they should not go on. Safe to call twice.

    RejectedInput with 404 for no such workflow.
    """
    outcome = db.transact(lambda tx: _deactivate(tx, workflow_id, now, who))
    if outcome.changed:
        listen_now(db, now)
    return outcome


def _deactivate(tx: Transaction, workflow_id: UUID, now: datetime, who: str) -> WorkflowDeactivated:
    lines = store.list_workflows(tx, org_id=None, only=workflow_id, after=None, limit=1)
    if not lines:
        raise RejectedInput("there is no such workflow", status=404)
    ended = record_ended(tx, [workflow_id])
    close_incidents(tx, store.INCIDENT, [subject_of(lines[0]["org_id"], workflow_id)], now)
    changed = bool(ended) or bool(lines[0]["is_active"])
    if changed:
        store.note_deactivated(tx, lines[0]["org_id"], workflow_id, who)
    return WorkflowDeactivated(workflow_id, changed)
