"""What the routes under /api/campaigns take and do."""

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from crm_relay.campaigns.definition.campaign_file import Sender, StepOfFile, Topic, WindowOfFile, Word
from crm_relay.campaigns.lifecycle import change_campaign, edit_campaign, end_campaign, funnels
from crm_relay.campaigns.lifecycle.settle_unknown import settle_unknown
from crm_relay.campaigns.models import Capabilities
from crm_relay.campaigns.preview.look_ahead import look_ahead
from crm_relay.mail.unknown.settle_unknown import unknown_messages
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


class CancelWanted(OfCampaign):
    """`waiting_only`: no sequence ends, and the steps whose messages wait are skipped."""

    waiting_only: bool = False


class OfEnrollment(Given):
    """One person's place in a campaign, by its id."""

    id: UUID


class OfMessage(Given):
    """One message of an unknown fate, or a batch of them, by its id."""

    id: UUID


class UnknownAsked(Given):
    """How many messages."""

    limit: Annotated[int, Field(ge=1, le=500, description="So many at most.")] = 100


class CampaignEdit(Given):
    """The fields of a campaign file that change; each replaces the whole field, also the list of steps."""

    id: UUID
    name: Word | None = None
    description: Annotated[str, Field(max_length=2000)] | None = None
    window: WindowOfFile | None = None
    zone: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    use_recipient_timezone: bool | None = None
    topic: Topic | None = None
    late_policy: Literal["send", "skip", "send_within"] | None = None
    late_minutes: Annotated[int, Field(ge=1, le=525_600)] | None = None
    stop_company_on_reply: bool | None = None
    identity: Sender | None = None
    steps: Annotated[tuple[StepOfFile, ...], Field(min_length=1, max_length=100)] | None = None


class CampaignsAsked(Given):
    """Which campaigns; archived ones only where they are asked for."""

    status: Literal["draft", "active", "paused", "cancelled", "completed", "archived"] | None = None
    limit: Annotated[int, Field(ge=1, le=500, description="So many at most.")] = 50
    offset: Annotated[int, Field(ge=0, le=100_000, description="So many before them are left out.")] = 0


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
    return funnels.list_campaigns(
        dependencies.database,
        status=call.given.status,
        limit=call.given.limit,
        offset=call.given.offset,
        send_mode=dependencies.settings.send_mode,
    )


def running(dependencies: "Admin", _call: Call) -> object:
    return funnels.running_funnels(dependencies.database, send_mode=dependencies.settings.send_mode)


def one(dependencies: "Admin", call: Call) -> object:
    send_mode = dependencies.settings.send_mode
    return funnels.show_campaign(dependencies.database, call.given.id, utc_now(), send_mode=send_mode)


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
        send_mode=dependencies.settings.send_mode,
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
    send_mode = dependencies.settings.send_mode
    changed = change_campaign.resume(dependencies.database, call.given.id, utc_now(), send_mode=send_mode, who=call.who)
    _note("campaign resumed", call, campaign=changed.id, scheduled=changed.scheduled)
    return changed


def cancel(dependencies: "Admin", call: Call) -> object:
    end = end_campaign.cancel_waiting if call.given.waiting_only else end_campaign.cancel
    ended = end(dependencies.database, call.given.id, utc_now(), who=call.who)
    _note("campaign cancelled", call, campaign=ended.id, stopped=ended.stopped, taken_back=ended.taken_back)
    return ended


def archive(dependencies: "Admin", call: Call) -> object:
    ended = end_campaign.archive(dependencies.database, call.given.id, utc_now(), who=call.who)
    _note("campaign archived", call, campaign=ended.id)
    return ended


def definition(dependencies: "Admin", call: Call) -> object:
    return edit_campaign.readable_definition(dependencies.database, call.given.id)


def edit(dependencies: "Admin", call: Call) -> object:
    changes = call.given.model_dump(mode="json", exclude_unset=True, exclude={"id"})
    changed = edit_campaign.edit(dependencies.database, call.given.id, changes, utc_now(), who=call.who)
    _note("campaign edited", call, campaign=changed.id, fields=len(changed.changed))
    return changed


def cancel_one(dependencies: "Admin", call: Call) -> object:
    ended = end_campaign.cancel_enrollment(dependencies.database, call.given.id, utc_now(), who=call.who)
    _note("enrollment cancelled", call, enrollment=ended.id)
    return ended


def pause_one(dependencies: "Admin", call: Call) -> object:
    changed = change_campaign.pause_enrollment(dependencies.database, call.given.id, utc_now(), who=call.who)
    _note("enrollment paused", call, enrollment=changed.id)
    return changed


def resume_one(dependencies: "Admin", call: Call) -> object:
    changed = change_campaign.resume_enrollment(dependencies.database, call.given.id, utc_now(), who=call.who)
    _note("enrollment resumed", call, enrollment=changed.id)
    return changed


def unknown(dependencies: "Admin", call: Call) -> object:
    return unknown_messages(dependencies.database, limit=call.given.limit)


def unknown_sent(dependencies: "Admin", call: Call) -> object:
    return _settle(dependencies, call, was_sent=True)


def unknown_not_sent(dependencies: "Admin", call: Call) -> object:
    return _settle(dependencies, call, was_sent=False)


def _settle(dependencies: "Admin", call: Call, *, was_sent: bool) -> object:
    settled = settle_unknown(dependencies.database, call.given.id, utc_now(), was_sent=was_sent, who=call.who)
    _note("unknown messages settled", call, subject=call.given.id, was_sent=was_sent, messages=settled.messages)
    return settled


def simulate(dependencies: "Admin", call: Call) -> object:
    given = call.given
    wanted = None if given.recipient is None else [given.recipient]
    return look_ahead(
        dependencies.database,
        given.id,
        utc_now(),
        days=given.days,
        can=Capabilities(sms=dependencies.settings.twilio_from is not None),
        send_mode=dependencies.settings.send_mode,
        recipients=wanted,
        limit=MOST_SIMULATED,
    )


def _note(what: str, call: Call, **about: Any) -> None:
    logger().info(what, extra={"ordered_by": call.who, **{name: str(value) for name, value in about.items()}})
