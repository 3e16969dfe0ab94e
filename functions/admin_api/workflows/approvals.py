"""The routes under /api/approvals: what waits and who is asked, and decisions by the owners of personal tokens."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

from pydantic import Field

from admin_api.table import OPERATE, READ, get, post
from crm_relay.platform.http.http_routes import Call, Given
from crm_relay.platform.logging import logger
from crm_relay.workflows.approvals.deciding.colleagues import ColleagueToAsk, colleagues_to_ask
from crm_relay.workflows.approvals.deciding.decide import ApprovalDecided, decide
from crm_relay.workflows.approvals.deciding.decisions import LONGEST_NOTES, Decision
from crm_relay.workflows.approvals.models import ApprovalAction, Way
from crm_relay.workflows.approvals.overview import ApprovalShown, list_approvals, show_approval

if TYPE_CHECKING:
    from admin_api.settings import Settings
    from crm_relay.installation.installation import Installation

    Admin = Installation[Settings]

Notes = Annotated[str, Field(max_length=LONGEST_NOTES, pattern=r"^[^\x00]*$")]
WayWord = Annotated[
    Literal["api", "page"], Field(description="How the decision is recorded: the page says that it is one.")
]


class OfApproval(Given):
    """One approval, by its id."""

    id: UUID


class ApprovalsAsked(Given):
    """Which approvals, the oldest that wait first. `mine`: those that the caller decides."""

    organization: UUID | None = None
    run: UUID | None = None
    approver: UUID | None = None
    mine: bool = False
    all: Annotated[bool, Field(description="Those that are over as well.")] = False
    limit: Annotated[int, Field(ge=1, le=500, description="So many at most.")] = 50


class DecisionGiven(OfApproval):
    """`notes` stay with the decision."""

    notes: Notes | None = None
    way: WayWord = "api"


class DelegationGiven(DecisionGiven):
    """`to`: the colleague who decides instead."""

    to: UUID


def list_all(dependencies: "Admin", call: Call) -> object:
    asked, viewer = call.given, _viewer(call)
    if asked.mine and viewer is None:
        return []
    return list_approvals(
        dependencies.database,
        org_id=asked.organization,
        approver_id=viewer if asked.mine else asked.approver,
        execution_id=asked.run,
        is_pending=None if asked.all else True,
        limit=asked.limit,
        viewer=viewer,
    )


def one(dependencies: "Admin", call: Call) -> object:
    return show_approval(dependencies.database, call.given.id, viewer=_viewer(call))


def colleagues(dependencies: "Admin", call: Call) -> object:
    return colleagues_to_ask(dependencies.database, call.given.id)


def act(dependencies: "Admin", call: Call, *, action: ApprovalAction) -> object:
    given = call.given
    decision = Decision(
        action, Way(given.way), _viewer(call), given.notes, to=getattr(given, "to", None), using=call.who
    )
    decided = decide(dependencies.database, given.id, decision)
    about = {"approval": str(given.id), "status": decided.status, "changed": decided.changed}
    logger().info("approval decided", extra={"ordered_by": call.who, **about})
    if decided.changed:
        dependencies.wake_workflows()
    return decided


def _viewer(call: Call) -> UUID | None:
    return None if call.caller is None else call.caller.user_id


_ERRORS = (404, 409)

APPROVALS = (
    get(
        READ,
        "/api/approvals",
        "Approvals that wait, the oldest first, with their age",
        list_all,
        list[ApprovalShown],
        ApprovalsAsked,
    ),
    # What is asked for has values of records in it.
    get(OPERATE, "/api/approvals/{id}", "An approval with what it is about", one, ApprovalShown, OfApproval),
    get(
        OPERATE,
        "/api/approvals/{id}/colleagues",
        "Colleagues who can take the approval over, by name; empty where it is over",
        colleagues,
        list[ColleagueToAsk],
        OfApproval,
    ),
    *(
        post(
            OPERATE,
            f"/api/approvals/{{id}}/{action.value}",
            f"{words}; by the approver alone, whose token it is. A repetition answers what was decided",
            partial(act, action=action),
            ApprovalDecided,
            takes,
            errors=_ERRORS,
        )
        for action, words, takes in (
            (ApprovalAction.APPROVE, "Give an approval", DecisionGiven),
            (ApprovalAction.REJECT, "Refuse an approval", DecisionGiven),
            (ApprovalAction.DELEGATE, "Hand an approval on to another colleague", DelegationGiven),
        )
    ),
)
