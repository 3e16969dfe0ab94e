"""The routes under /api/pitches: what leaves by connected mailboxes. They show the recipient of a pitch."""

from functools import partial
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import Field

from admin_api.table import OPERATE, get, post
from crm_relay.connections.pitches.orders import PitchOrder, PitchOrdered, order_pitch
from crm_relay.connections.pitches.show_pitches import PitchLine, PitchShown, list_pitches, show_pitch
from crm_relay.platform.clock import utc_now
from crm_relay.platform.http.http_routes import Call, Given
from crm_relay.platform.logging import logger

if TYPE_CHECKING:
    from admin_api.settings import Settings
    from crm_relay.installation.installation import Installation

    Admin = Installation[Settings]


class OfPitch(Given):
    """One pitch, by its id."""

    id: UUID


class PitchesAsked(Given):
    """Of which workspace and status; none named: of all."""

    workspace: UUID | None = None
    status: Annotated[str, Field(pattern=r"^[a-z_]{1,50}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=200, description="So many at most.")] = 50


def list_all(dependencies: "Admin", call: Call) -> object:
    asked = call.given
    return list_pitches(dependencies.database, workspace=asked.workspace, status=asked.status, limit=asked.limit)


def one(dependencies: "Admin", call: Call) -> object:
    return show_pitch(dependencies.database, call.given.id)


def order(dependencies: "Admin", call: Call, *, what: PitchOrder) -> object:
    done = order_pitch(dependencies.database, call.given.id, what, call.who, utc_now())
    logger().info("pitch ordered", extra={"by": call.who, "pitch": str(done.id), "order": what.value})
    return done


_ORDERS = {
    PitchOrder.SEND: "Queue a draft, or a pitch that did not leave",
    PitchOrder.CANCEL: "Cancel a pitch that has not left",
    PitchOrder.SENT: "Settle a pitch of an unknown fate: the mailbox shows that it left",
    PitchOrder.NOT_SENT: "Settle a pitch of an unknown fate: the mailbox shows that it did not leave",
}

PITCHES = [
    get(
        OPERATE,
        "/api/pitches",
        "Pitches, the newest first",
        list_all,
        list[PitchLine],
        PitchesAsked,
    ),
    get(
        OPERATE,
        "/api/pitches/{id}",
        "A pitch with what became of it or what it waits for, and what can be ordered",
        one,
        PitchShown,
        OfPitch,
        errors=(404,),
    ),
    *(
        post(
            OPERATE,
            f"/api/pitches/{{id}}/{each.value}",
            summary,
            partial(order, what=each),
            PitchOrdered,
            OfPitch,
            errors=(404, 409),
        )
        for each, summary in _ORDERS.items()
    ),
]
