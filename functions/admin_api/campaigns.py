"""What the routes under /api/campaigns take and do."""

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from crm_relay.campaigns.lifecycle import change_campaign, funnels
from crm_relay.campaigns.models import Capabilities
from crm_relay.campaigns.preview.look_ahead import look_ahead
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.http_routes import Call, Given
from crm_relay.platform.logging import logger

if TYPE_CHECKING:
    from admin_api.settings import Settings
    from crm_relay.installation.installation import Installation

    Admin = Installation[Settings]

MOST_SCHEDULED = 50_000
MOST_SIMULATED = 2_000
"""A request has less than 30 seconds; the command line takes more people."""

Address = Annotated[str, Field(min_length=3, max_length=320, pattern=r"^[^\x00]+$")]


class OfCampaign(Given):
    """One campaign, by its id."""

    id: UUID


class OfEnrollment(Given):
    """One person's place in a campaign, by its id."""

    id: UUID


class CampaignsAsked(Given):
    """Which campaigns."""

    status: Literal["draft", "active", "paused"] | None = None
    limit: Annotated[int, Field(ge=1, le=500, description="So many at most.")] = 50


class PeopleWanted(Given):
    """Who is to be enrolled: contacts by id, by address, or all of an account; the command line takes longer lists."""

    id: UUID
    contacts: Annotated[tuple[UUID, ...], Field(max_length=1_000)] = ()
    addresses: Annotated[tuple[Address, ...], Field(max_length=1_000)] = ()
    account: UUID | None = None


class SimulationWanted(Given):
    """How far to look ahead; `recipient`: one contact alone."""

    id: UUID
    days: Annotated[int, Field(ge=1, le=366)] = 30
    recipient: UUID | None = None


def list_all(dependencies: "Admin", call: Call) -> object:
    return funnels.list_campaigns(dependencies.database, status=call.given.status, limit=call.given.limit)


def running(dependencies: "Admin", _call: Call) -> object:
    return funnels.running_funnels(dependencies.database)


def one(dependencies: "Admin", call: Call) -> object:
    return funnels.show_campaign(dependencies.database, call.given.id)


def create(dependencies: "Admin", call: Call) -> object:
    made = change_campaign.create(dependencies.database, call.given, utc_now(), who=call.who)
    _note("campaign created", call, campaign=made.id)
    return made


def enroll(dependencies: "Admin", call: Call) -> object:
    given = call.given
    if not (given.contacts or given.addresses or given.account):
        raise RejectedInput("nobody is named", status=422, details=["contacts, addresses or account: one is needed"])
    done = change_campaign.enroll(
        dependencies.database,
        given.id,
        utc_now(),
        contacts=given.contacts,
        addresses=given.addresses,
        account=given.account,
        who=call.who,
    )
    _note("people enrolled", call, campaign=given.id, enrolled=done.enrolled, asked=done.asked)
    return done


def activate(dependencies: "Admin", call: Call) -> object:
    changed = change_campaign.activate(
        dependencies.database,
        call.given.id,
        utc_now(),
        email_from=dependencies.settings.email_from,
        limit=MOST_SCHEDULED,
        who=call.who,
    )
    _note("campaign activated", call, campaign=changed.id, scheduled=changed.scheduled)
    return changed


def pause(dependencies: "Admin", call: Call) -> object:
    changed = change_campaign.pause(dependencies.database, call.given.id, utc_now(), who=call.who)
    _note("campaign paused", call, campaign=changed.id)
    return changed


def resume(dependencies: "Admin", call: Call) -> object:
    changed = change_campaign.resume(dependencies.database, call.given.id, utc_now(), who=call.who)
    _note("campaign resumed", call, campaign=changed.id, scheduled=changed.scheduled)
    return changed


def pause_one(dependencies: "Admin", call: Call) -> object:
    changed = change_campaign.pause_enrollment(dependencies.database, call.given.id, utc_now(), who=call.who)
    _note("enrollment paused", call, enrollment=changed.id)
    return changed


def resume_one(dependencies: "Admin", call: Call) -> object:
    changed = change_campaign.resume_enrollment(dependencies.database, call.given.id, utc_now(), who=call.who)
    _note("enrollment resumed", call, enrollment=changed.id)
    return changed


def simulate(dependencies: "Admin", call: Call) -> object:
    given = call.given
    wanted = None if given.recipient is None else [given.recipient]
    return look_ahead(
        dependencies.database,
        given.id,
        utc_now(),
        days=given.days,
        can=Capabilities(sms=dependencies.settings.twilio_from is not None),
        recipients=wanted,
        limit=MOST_SIMULATED,
    )


def _note(what: str, call: Call, **about: Any) -> None:
    logger().info(what, extra={"ordered_by": call.who, **{name: str(value) for name, value in about.items()}})
