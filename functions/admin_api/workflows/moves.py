"""The routes of moves and of what failed."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import Field

from admin_api.table import OPERATE, READ, get, post
from admin_api.workflows.inputs import OfWorkflow
from crm_relay.platform.clock import utc_now
from crm_relay.platform.http.http_routes import Call, Given
from crm_relay.platform.logging import logger
from crm_relay.workflows.moving import move_runs
from crm_relay.workflows.moving.models import MovePreview, RunsMoved
from crm_relay.workflows.operations import steer
from crm_relay.workflows.operations.steer import FailedRuns

if TYPE_CHECKING:
    from admin_api.settings import Settings
    from crm_relay.installation.installation import Installation

    Admin = Installation[Settings]

StepKey = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x20]+$")]


class FailuresAsked(Given):
    """Whose; none named: those of all workflows."""

    organization: UUID | None = None
    workflow: UUID | None = None


class MoveWanted(OfWorkflow):
    """`runs`: these alone. `steps`: which step of the active version takes the place of which former one, by keys.

    `after`: of the answer before, where that had more.
    """

    runs: Annotated[tuple[UUID, ...], Field(max_length=1_000)] = ()
    steps: Annotated[dict[StepKey, StepKey], Field(max_length=200)] = Field(default_factory=dict)
    after: UUID | None = None


def failures(dependencies: "Admin", call: Call) -> object:
    asked = call.given
    return steer.failed_runs(dependencies.database, workflow_id=asked.workflow, org_id=asked.organization)


def preview(dependencies: "Admin", call: Call) -> object:
    given = call.given
    return move_runs.preview_move(dependencies.database, given.id, runs=given.runs, steps=given.steps)


def move(dependencies: "Admin", call: Call) -> object:
    given = call.given
    moved = move_runs.move_runs(
        dependencies.database,
        given.id,
        utc_now(),
        who=call.who,
        runs=given.runs,
        steps=given.steps,
        after=given.after,
    )
    logger().info(
        "runs of a workflow moved",
        extra={"ordered_by": call.who, "workflow": str(given.id), "runs": moved.moved, "version": moved.to_version},
    )
    if moved.moved:
        dependencies.wake_workflows()
    return moved


MOVES = (
    get(
        READ,
        "/api/workflows/failures",
        "Failed runs by workflow, step and error: what a retry of many would let go on",
        failures,
        list[FailedRuns],
        FailuresAsked,
    ),
    post(
        OPERATE,
        "/api/workflows/{id}/move/preview",
        "Where runs of former versions would go on in the active version; nothing is moved",
        preview,
        MovePreview,
        MoveWanted,
        errors=(409,),
    ),
    post(
        OPERATE,
        "/api/workflows/{id}/move",
        "Let runs of former versions go on in the active version, 1,000 at once; refused where a step is gone",
        move,
        RunsMoved,
        MoveWanted,
        errors=(409,),
    ),
)
