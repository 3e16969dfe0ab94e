"""The routes under /api/sending: the emergency brake."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import Field

from admin_api.table import OPERATE, READ, get, post
from crm_relay.mail.modes.mail_mode import MailMode, mail_mode
from crm_relay.mail.stops.stop_sending import SendingChanged, SendingStop, resume_sending, sending_stops, stop_sending
from crm_relay.platform.clock import utc_now
from crm_relay.platform.http.http_routes import Call, Given
from crm_relay.platform.logging import logger

if TYPE_CHECKING:
    from admin_api.settings import Settings
    from crm_relay.installation.installation import Installation

    Admin = Installation[Settings]


class StopWanted(Given):
    """Whose sending stops, and why; `organization` left out: everybody's."""

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None
    organization: UUID | None = None


class ResumeWanted(Given):
    """Which stop ends; `organization` left out: that of all organizations."""

    organization: UUID | None = None


@dataclass(frozen=True)
class Sending:
    """`stops` hold now; none: everything leaves in its turn."""

    is_stopped: bool
    stops: list[SendingStop]
    mail_mode: MailMode


def state(dependencies: "Admin", _call: Call) -> object:
    stops = sending_stops(dependencies.database)
    mode = mail_mode(dependencies.database, dependencies.settings.send_mode)
    return Sending(bool(stops), stops, mode)


def stop(dependencies: "Admin", call: Call) -> object:
    wanted = call.given
    done = stop_sending(
        dependencies.database, utc_now(), who=call.who, reason=wanted.reason, org_id=wanted.organization
    )
    _note("sending stopped", call, done)
    return done


def resume(dependencies: "Admin", call: Call) -> object:
    done = resume_sending(dependencies.database, utc_now(), who=call.who, org_id=call.given.organization)
    _note("sending resumed", call, done)
    return done


def _note(what: str, call: Call, done: SendingChanged) -> None:
    organization = call.given.organization
    logger().info(what, extra={"ordered_by": call.who, "organization": organization and str(organization)})
    if not done.changed:
        logger().info("it was so before", extra={"ordered_by": call.who})


SENDING = [
    get(
        READ,
        "/api/sending",
        "In which mode mail leaves, and whether an operator stopped it: who, since when, and why",
        state,
        Sending,
    ),
    post(
        OPERATE,
        "/api/sending/stop",
        "Stop at once what campaigns send; everything keeps its place until it is resumed",
        stop,
        SendingChanged,
        StopWanted,
        errors=(404,),
    ),
    post(
        OPERATE,
        "/api/sending/resume",
        "Let campaigns send again, as after a pause",
        resume,
        SendingChanged,
        ResumeWanted,
        errors=(404,),
    ),
]
