"""What the routes under /api/workflows do: one use case each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.http_routes import Call
from crm_relay.platform.logging import logger
from crm_relay.workflows.definition import drafts
from crm_relay.workflows.definition.deactivate import deactivate as end
from crm_relay.workflows.definition.publish import publish as begin
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.operations import report_event, steer
from crm_relay.workflows.operations.steer import RunChange
from crm_relay.workflows.overview import list_workflows, show_run
from crm_relay.workflows.rehearsal import why_drafts

if TYPE_CHECKING:
    from admin_api.settings import Settings
    from crm_relay.installation.installation import Installation

    Admin = Installation[Settings]


@dataclass(frozen=True)
class WorkflowSteered:
    """`changed` False: it was so already."""

    id: Any
    changed: bool


@dataclass(frozen=True)
class WakeSent:
    """The message may be lost: the schedule does the same every minute."""

    woken: Literal[True] = True


def list_all(dependencies: "Admin", call: Call) -> object:
    asked = call.given
    if (asked.after_name is None) != (asked.after_id is None):
        raise RejectedInput("the request is not valid", status=422, details=["after_name and after_id go together"])
    after = None if asked.after_id is None else (asked.after_name, asked.after_id)
    return list_workflows.list_workflows(
        dependencies.database, org_id=asked.organization, after=after, limit=asked.limit
    )


def one(dependencies: "Admin", call: Call) -> object:
    return drafts.show_workflow(dependencies.database, call.given.id)


def create(dependencies: "Admin", call: Call) -> object:
    made = drafts.create(dependencies.database, call.given.workflow, org_id=call.given.organization, who=call.who)
    _note("workflow created", call, workflow=made.id)
    return made


def save(dependencies: "Admin", call: Call) -> object:
    saved = drafts.save(dependencies.database, call.given.id, call.given.workflow, who=call.who)
    _note("workflow draft saved", call, workflow=saved.id)
    return saved


def publish(dependencies: "Admin", call: Call) -> object:
    published = begin(dependencies.database, call.given.id, utc_now(), who=call.who)
    _note("workflow published", call, workflow=published.id, version=published.version)
    return published


def deactivate(dependencies: "Admin", call: Call) -> object:
    ended = end(dependencies.database, call.given.id, utc_now(), who=call.who)
    _note("workflow deactivated", call, workflow=ended.id)
    return ended


def pause(dependencies: "Admin", call: Call) -> object:
    given = call.given
    changed = steer.pause_workflow(dependencies.database, given.id, utc_now(), who=call.who, reason=given.reason)
    _note("workflow paused", call, workflow=given.id)
    return WorkflowSteered(given.id, changed)


def resume(dependencies: "Admin", call: Call) -> object:
    changed = steer.resume_workflow(dependencies.database, call.given.id, utc_now(), who=call.who)
    _note("workflow resumed", call, workflow=call.given.id)
    dependencies.wake_workflows()
    return WorkflowSteered(call.given.id, changed)


def start(dependencies: "Admin", call: Call) -> object:
    given = call.given
    started = report_event.start_workflow(
        dependencies.database,
        given.id,
        given.record,
        utc_now,
        who=call.who,
        key=given.key,
        user_id=None if call.caller is None else call.caller.user_id,
    )
    _note("workflow started by hand", call, workflow=given.id, verdict=started.verdict)
    if started.execution_id is not None:
        dependencies.wake_workflows()
    return started


def runs(dependencies: "Admin", call: Call) -> object:
    asked = call.given
    if (asked.entity is None) != (asked.record is None):
        raise RejectedInput("the request is not valid", status=422, details=["entity and record go together"])
    return list_workflows.list_runs(
        dependencies.database,
        workflow_id=asked.workflow,
        org_id=asked.organization,
        record=None if asked.entity is None else (EntityType(asked.entity), asked.record),
        statuses=() if asked.status is None else (asked.status,),
        limit=asked.limit,
    )


def one_run(dependencies: "Admin", call: Call) -> object:
    return show_run.show_run(dependencies.database, call.given.id)


def change_runs(dependencies: "Admin", call: Call, *, change: RunChange) -> object:
    given = call.given
    if not given.runs and given.workflow is None:
        raise RejectedInput("no run is named", status=422, details=["runs or workflow: one is needed"])
    changed = steer.change_runs(
        dependencies.database,
        change,
        utc_now(),
        runs=given.runs,
        workflow_id=given.workflow,
        error=getattr(given, "error", None),
        who=call.who,
    )
    _note("runs of workflows changed", call, change=change.value, runs=len(changed.changed))
    if changed.changed:
        dependencies.wake_workflows()
    return changed


def why_record(dependencies: "Admin", call: Call) -> object:
    asked = call.given
    record = (EntityType(asked.entity), asked.record)
    return why_drafts.explain_record(dependencies.database, record, utc_now(), workflow_id=asked.workflow)


def wake(dependencies: "Admin", _call: Call) -> object:
    dependencies.wake_workflows()
    return WakeSent()


def event(dependencies: "Admin", call: Call) -> object:
    given = call.given
    reported = report_event.report_event(
        dependencies.database,
        (EntityType(given.entity), given.record),
        given.name,
        payload=given.payload,
        key=given.key,
        cause=given.cause,
    )
    _note("event reported", call, event=given.name, is_new=reported.is_new)
    if reported.is_new:
        dependencies.wake_workflows()
    return reported


def _note(what: str, call: Call, **about: object) -> None:
    logger().info(what, extra={"ordered_by": call.who, **{name: str(value) for name, value in about.items()}})
