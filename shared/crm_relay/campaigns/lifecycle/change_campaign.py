"""The life of a campaign: made, filled with people, activated, paused, resumed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.campaigns.decisions import ERRORS_ALLOWED, first_due
from crm_relay.campaigns.definition.campaign_file import Definition
from crm_relay.campaigns.definition.check_content import problems_of_steps
from crm_relay.campaigns.definition.check_definition import CampaignDraft, check_definition
from crm_relay.campaigns.definition.check_file import FilePart, read_part
from crm_relay.campaigns.lifecycle import store
from crm_relay.campaigns.lifecycle.enroll import EnrollReport, enroll
from crm_relay.campaigns.lifecycle.hold_enrollment import pause_enrollment, resume_enrollment
from crm_relay.campaigns.load_campaign import read_campaign, sends_mail
from crm_relay.campaigns.models import Campaign
from crm_relay.campaigns.watch.store import forget_errors
from crm_relay.mail.models import Mode
from crm_relay.mail.modes.mail_mode import MailMode, mail_mode
from crm_relay.platform.database import Database, Queryable, Row, Transaction
from crm_relay.platform.errors import RejectedInput

OPERATOR = store.OPERATOR


@dataclass(frozen=True)
class Created:
    """A draft: nobody gets anything before it is activated."""

    id: UUID
    name: str
    status: str
    steps: int


@dataclass(frozen=True)
class CampaignChanged:
    """A campaign's state by now. `changed` False: it was so before. `scheduled` people got the time of a first step.

    `released`: people that errors in making their step had paused. `mail_mode`: in which mode mail leaves, where the
    campaign runs by now.
    """

    id: UUID
    status: str
    changed: bool
    scheduled: int = 0
    released: int = 0
    mail_mode: MailMode | None = None


__all__ = [
    "OPERATOR",
    "CampaignChanged",
    "Created",
    "EnrollReport",
    "activate",
    "create",
    "enroll",
    "find_campaign",
    "pause",
    "pause_enrollment",
    "resume",
    "resume_enrollment",
]


def find_campaign(db: Queryable, called: str) -> UUID:
    """The campaign with this id, or the only native one with this name; RejectedInput with 404, or 409 for several."""
    try:
        campaign_id = UUID(called)
    except ValueError:
        campaign_id = None
    found = store.find_campaigns(db, campaign_id=campaign_id, name=called)
    if not found:
        raise RejectedInput("there is no such campaign", status=404)
    if len(found) > 1:
        raise RejectedInput("several campaigns have this name: say which by its id", status=409)
    return found[0]


def create(
    db: Database,
    definition: Definition | Mapping[str, Any],
    now: datetime,
    *,
    org_id: UUID | None = None,
    who: str = OPERATOR,
) -> Created:
    """Keep a campaign as a draft, or nothing of it: whatever could go wrong later is looked for here.

    RejectedInput with 422, whose details name every field that is wrong and why; with 409 where the organization has a
    campaign of that name, so that a command that is repeated makes no second one.
    """
    part = FilePart(definition) if isinstance(definition, Definition) else read_part(definition)
    return db.transact(lambda tx: _create(tx, part, now, org_id, who))


def activate(
    db: Database,
    campaign_id: UUID,
    now: datetime,
    *,
    email_from: str | None = None,
    send_mode: Mode = Mode.DRY_RUN,
    limit: int | None = None,
    who: str = OPERATOR,
) -> CampaignChanged:
    """Begin: everybody who is enrolled gets the time of the first step, on their own clock where the campaign says so.

    One look at each zone and one statement for all people, so that a million take seconds; `limit` refuses more than
    that with 409. `email_from`: EMAIL_FROM, the sender where the organization has none; `send_mode`: SEND_MODE. A
    second activation changes nothing. RejectedInput with 409 names everything that is missing.
    """
    changed = db.transact(lambda tx: _activate(tx, campaign_id, now, email_from, limit, who))
    return replace(changed, mail_mode=mail_mode(db, send_mode))


def pause(db: Database, campaign_id: UUID, now: datetime, *, who: str = OPERATOR) -> CampaignChanged:
    """Hold everybody where they are: no step is begun, times stay as they are, and mail that was queued waits.

    Safe to call twice. RejectedInput with 409 for a campaign that does not run.
    """
    return db.transact(lambda tx: _pause(tx, campaign_id, now, who))


def resume(
    db: Database, campaign_id: UUID, now: datetime, *, send_mode: Mode = Mode.DRY_RUN, who: str = OPERATOR
) -> CampaignChanged:
    """Go on where everybody was held.

    Times that passed meanwhile stay as they are: by them alone can be told how late a step is, and by that the
    campaign's late policy sends or skips what fell into the pause. What is sent is sent inside the window, at once
    where that is open, and the following delays run from there. Who was enrolled during the pause begins now.
    Who was paused by errors in making a step goes on too, also where the campaign runs. Safe to call twice.
    RejectedInput with 409 for a campaign that was never activated.
    """
    changed = db.transact(lambda tx: _resume(tx, campaign_id, now, who))
    return replace(changed, mail_mode=mail_mode(db, send_mode))


def _create(tx: Queryable, part: FilePart, now: datetime, org_id: UUID | None, who: str) -> Created:
    wanted = part.readable
    sender = wanted.identity
    references = store.references_of(
        tx,
        org_id=org_id,
        name=wanted.name,
        from_address=None if sender is None else sender.from_address,
        slugs=sorted({step.template for step in wanted.steps if step.template}),
    )
    if references is None:
        raise RejectedInput("there is no such organization", status=404)
    draft = _checked(part, references)
    made = None if references["is_name_taken"] else _insert(tx, draft, references["org_id"], who, now)
    if made is None:
        raise RejectedInput("the organization has a campaign of that name", status=409)
    return Created(made["id"], wanted.name, "draft", made["steps"])


def _checked(part: FilePart, references: Mapping[str, Any]) -> CampaignDraft:
    try:
        draft = check_definition(part.readable, references)
    except RejectedInput as error:
        raise part.refusal(error.details) from None
    if part.problems:
        raise part.refusal(())
    return draft


def _insert(tx: Queryable, draft: CampaignDraft, org_id: UUID, who: str, now: datetime) -> Row | None:
    return store.insert_campaign(
        tx,
        org_id=org_id,
        campaign=draft.campaign,
        steps=draft.steps,
        identity_id=draft.identity_id,
        new_identity=draft.new_identity,
        who=who,
        now=now,
    )


def _activate(
    tx: Transaction, campaign_id: UUID, now: datetime, email_from: str | None, limit: int | None, who: str
) -> CampaignChanged:
    if not _may(store.lock_campaign(tx, campaign_id), "draft", becomes="active", what="activated"):
        return CampaignChanged(campaign_id, "active", changed=False)
    row = store.campaign_defined(tx, campaign_id)
    campaign = read_campaign(row["document"])
    if missing := _missing(campaign, row, email_from):
        raise RejectedInput("the campaign cannot be activated", status=409, details=missing)
    scheduled = _schedule(tx, campaign, now, limit)
    about = {"scheduled": scheduled}
    store.change_status(tx, campaign_id, "active", change="activated", about=about, who=who, now=now)
    return CampaignChanged(campaign_id, "active", changed=True, scheduled=scheduled)


def _pause(tx: Transaction, campaign_id: UUID, now: datetime, who: str) -> CampaignChanged:
    if not _may(store.lock_campaign(tx, campaign_id), "active", becomes="paused", what="paused"):
        return CampaignChanged(campaign_id, "paused", changed=False)
    store.change_status(tx, campaign_id, "paused", change="paused", about={}, who=who, now=now)
    return CampaignChanged(campaign_id, "paused", changed=True)


def _resume(tx: Transaction, campaign_id: UUID, now: datetime, who: str) -> CampaignChanged:
    is_paused = _may(store.lock_campaign(tx, campaign_id), "paused", becomes="active", what="resumed")
    released = forget_errors(tx, campaign_id, now, errors_allowed=ERRORS_ALLOWED)
    if not is_paused:
        return CampaignChanged(campaign_id, "active", changed=False, released=released)
    scheduled = _schedule(tx, read_campaign(store.campaign_defined(tx, campaign_id)["document"]), now, None)
    about = {"scheduled": scheduled, "released": released}
    store.change_status(tx, campaign_id, "active", change="resumed", about=about, who=who, now=now)
    return CampaignChanged(campaign_id, "active", changed=True, scheduled=scheduled, released=released)


def _schedule(tx: Transaction, campaign: Campaign, now: datetime, limit: int | None) -> int:
    by_recipient = campaign.use_recipient_timezone
    waiting = store.zones_without_a_time(tx, campaign.id, by_recipient=by_recipient)
    if limit is not None and sum(waiting.values()) > limit:
        raise RejectedInput(f"more than {limit} people wait: use crm-relay campaign activate", status=409)
    dues = {zone: at for zone in waiting if (at := first_due(campaign, zone or None, now)) is not None}
    if not dues:
        return 0
    store.take_time(tx)
    return store.schedule_first_step(tx, campaign.id, dues, now, by_recipient=by_recipient)


def _missing(campaign: Campaign, row: Row, email_from: str | None) -> list[str]:
    """What has to be there before anybody is written to."""
    problems = problems_of_steps(campaign.steps)
    if not campaign.steps:
        problems.append("steps: none is active")
    if sends_mail(campaign) and campaign.identity is None and not email_from:
        problems.append(
            "identity: the campaign has none, the organization has no default one, and EMAIL_FROM is not set"
        )
    if sends_mail(campaign) and not (row["document"]["postal_address"] or "").strip():
        problems.append("organization: an e-mail has to carry its postal address, and it has none")
    return problems


def _may(state: store.State, status: str, *, becomes: str, what: str) -> bool:
    """False: it is so already."""
    if state.source != "native":
        raise RejectedInput(f"only native campaigns can be {what}", status=409)
    if state.status not in {status, becomes}:
        raise RejectedInput(f"a campaign that is {state.status} cannot be {what}", status=409)
    return state.status != becomes
