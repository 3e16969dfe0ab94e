"""Starts a workflow for a record because somebody asks for it: an operator, or another system by the API."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from crm_relay.platform.clock import Clock
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.starting import store
from crm_relay.workflows.starting.batch import StartBatch
from crm_relay.workflows.starting.decisions import UNREADABLE
from crm_relay.workflows.starting.models import NotStarted, StartRequest
from crm_relay.workflows.starting.programs import Programs
from crm_relay.workflows.starting.records import read_records

LONGEST_KEY = 200


@dataclass(frozen=True)
class StartedBy:
    """Who asks. `key` makes an API's request safe to repeat; None: an operator's, which is a new one each time.

    `org_id`: whose workflows may be started; None: any.
    """

    user_id: UUID | None = None
    name: str | None = None
    key: str | None = None
    org_id: UUID | None = None


@dataclass(frozen=True)
class StartAnswer:
    """`verdict` as in `workflow_start_decisions`, or `known`: the key has its run already.

    `reason` and `explanation` say which gate refused. `next_run_at` None: it waits for another run of the record.
    """

    verdict: str
    execution_id: UUID | None = None
    reason: str | None = None
    explanation: tuple[Any, ...] = ()
    next_run_at: datetime | None = None


def start_entity(
    db: Database, workflow_id: UUID, entity: tuple[EntityType, UUID], who: StartedBy, clock: Clock
) -> StartAnswer:
    """The same gates as of an event, but for origin and depth. Safe to repeat with the same key.

    RejectedInput (404) where the workflow is not published or another organization's, (409) where it is about records
    of another type.
    """
    if who.key is not None and not 0 < len(who.key) <= LONGEST_KEY:
        raise RejectedInput(f"key: 1 to {LONGEST_KEY} characters", status=422)
    return db.transact(lambda tx: _start(tx, workflow_id, entity, who, clock()))


def _start(
    tx: Transaction, workflow_id: UUID, entity: tuple[EntityType, UUID], who: StartedBy, now: datetime
) -> StartAnswer:
    request = _request(tx, workflow_id, entity, who)
    if known := _known(tx, request):
        return known
    batch = StartBatch(tx, now)
    if request.version.program is None:
        batch.refuse([NotStarted(request, UNREADABLE)])
    else:
        kind, record = entity
        batch.decide([request], read_records(tx, [(kind.value, record)]))
        # Who asked with the same key at the same time had the instance locked until now.
        if known := _known(tx, request):
            return known
    tx.finish(batch.statements([]))
    (decided,) = batch.decided
    if isinstance(decided, NotStarted):
        return StartAnswer("not_started", None, decided.reason, decided.explanation)
    return StartAnswer("started" if decided.at else "queued", decided.execution_id, next_run_at=decided.at)


def _request(tx: Transaction, workflow_id: UUID, entity: tuple[EntityType, UUID], who: StartedBy) -> StartRequest:
    row = store.active_version(tx, workflow_id, who.org_id)
    if row is None:
        raise RejectedInput("workflow: not published", status=404)
    (version,) = Programs().of(tx, [row])
    if version.entity_type != entity[0].value:
        raise RejectedInput("entity: the workflow is about records of another type", status=409)
    kind = "manual" if who.key is None else "api"
    return StartRequest(
        version,
        entity[1],
        f"manual:{uuid4()}" if who.key is None else f"api:{who.key}",
        kind,
        trigger_event={"kind": kind, "by": who.name},
        triggered_by=who.user_id,
    )


def _known(tx: Transaction, request: StartRequest) -> StartAnswer | None:
    """The run that has the key already."""
    if request.trigger_type == "manual":
        return None
    key = {"workflow_id": request.version.workflow_id, "start_key": request.key}
    rows = tx.send_all([store.keys_known([key])])[0]
    return StartAnswer("known", rows[0]["id"]) if rows else None
