"""The routes of backfills: a preview, and what an operator does with one."""

from functools import partial
from typing import TYPE_CHECKING, Literal

from admin_api.table import OPERATE, get, post
from admin_api.workflows.inputs import OfWorkflow
from crm_relay.platform.clock import utc_now
from crm_relay.platform.http.http_routes import Call
from crm_relay.platform.logging import logger
from crm_relay.workflows.backfill import order, preview
from crm_relay.workflows.backfill.models import Backfill, BackfillPreview

if TYPE_CHECKING:
    from admin_api.settings import Settings
    from crm_relay.installation.installation import Installation

    Admin = Installation[Settings]

_STEERING: dict[Literal["start", "stop", "resume", "give-up"], str] = {
    "start": "Start a published workflow for the records that match, page by page at half of its pace",
    "stop": "Start nothing more of a backfill, and keep its place",
    "resume": "Let a stopped backfill go on behind the last record, with the active version",
    "give-up": "Leave out the rest of a backfill, so that another one can be ordered",
}


def show_preview(dependencies: "Admin", call: Call) -> object:
    return preview.preview_backfill(dependencies.database, call.given.id, utc_now())


def list_all(dependencies: "Admin", call: Call) -> object:
    return order.list_backfills(dependencies.database, call.given.id)


def steer(dependencies: "Admin", call: Call, *, what: Literal["start", "stop", "resume", "give-up"]) -> object:
    database, workflow, now = dependencies.database, call.given.id, utc_now()
    match what:
        case "start":
            done = order.order_backfill(database, workflow, now, who=call.who)
        case "stop":
            done = order.stop_backfill(database, workflow, now, who=call.who)
        case "resume":
            done = order.resume_backfill(database, workflow, now, who=call.who)
        case "give-up":
            done = order.give_up_backfill(database, workflow, now)
    logger().info("backfill", extra={"ordered_by": call.who, "what": what, "workflow": str(workflow)})
    if done.state == "running":
        dependencies.wake_workflows()
    return done


BACKFILLS = (
    get(
        OPERATE,
        "/api/workflows/{id}/backfills",
        "Backfills of a workflow, the newest first",
        list_all,
        list[Backfill],
        OfWorkflow,
    ),
    get(
        OPERATE,
        "/api/workflows/{id}/backfill",
        "What a backfill would start and do, of the first 20,000 records; nothing takes effect",
        show_preview,
        BackfillPreview,
        OfWorkflow,
        errors=(409,),
    ),
    *(
        post(
            OPERATE,
            f"/api/workflows/{{id}}/backfill/{what}",
            summary,
            partial(steer, what=what),
            Backfill,
            OfWorkflow,
            errors=(404, 409),
        )
        for what, summary in _STEERING.items()
    ),
)
