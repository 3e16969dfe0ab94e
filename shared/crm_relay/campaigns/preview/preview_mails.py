"""What each message of a campaign says to one contact, by the words that its steps have now; nothing is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.campaigns.content import letter_of, text_of
from crm_relay.campaigns.lifecycle.store import campaign_defined
from crm_relay.campaigns.load_campaign import read_campaign
from crm_relay.campaigns.models import Act, Campaign, DueEnrollment, Step, StepChannel, StepDecision
from crm_relay.campaigns.preview import store
from crm_relay.campaigns.variants import Variant
from crm_relay.consent.address import normalise, normalise_phone
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput


@dataclass(frozen=True)
class PreviewedStep:
    """One message, or one variant of it. `problem`: why it cannot be written to this contact; it has no words then."""

    step_number: int
    channel: str
    variant: str | None
    subject: str | None
    text: str | None
    problem: str | None


@dataclass(frozen=True)
class MailPreview:
    """Personal data: the values are the contact's."""

    campaign_id: UUID
    contact_id: UUID
    steps: list[PreviewedStep]


def preview_mails(db: Queryable, campaign_id: UUID, who: str, now: datetime) -> MailPreview:
    """`who`: the contact's id or address, in the campaign's organization. Two statements.

    RejectedInput: 404 for no such campaign or contact, 409 for a campaign that cannot be read.
    """
    campaign = read_campaign(campaign_defined(db, campaign_id)["document"])
    contact = store.contact_called(db, campaign.org_id, who)
    if contact is None:
        raise RejectedInput("there is no such contact in the organization of the campaign", status=404)
    enrolled = _as_if_enrolled(campaign, contact, now)
    return MailPreview(
        campaign_id, contact["id"], [each for step in campaign.steps for each in _said(step, enrolled, campaign)]
    )


def _as_if_enrolled(campaign: Campaign, contact: Mapping[str, Any], now: datetime) -> DueEnrollment:
    return DueEnrollment(
        id=contact["id"],
        campaign_id=campaign.id,
        contact_id=contact["id"],
        current_step=0,
        due_at=now,
        fields={},
        contact=contact,
        address=normalise(contact["email"] or ""),
        phone=normalise_phone(contact["phone"] or ""),
        timezone=contact["timezone"],
    )


def _said(step: Step, enrolled: DueEnrollment, campaign: Campaign) -> Iterator[PreviewedStep]:
    if step.channel not in {StepChannel.EMAIL, StepChannel.SMS}:
        return
    for variant in step.variants or (None,):
        yield _previewed(step, variant, enrolled, campaign)


def _previewed(step: Step, variant: Variant | None, enrolled: DueEnrollment, campaign: Campaign) -> PreviewedStep:
    about = step.number, step.channel.value, None if variant is None else variant.id
    try:
        if step.channel is StepChannel.SMS:
            decision = StepDecision(enrolled.id, Act.SMS, step, variant=variant)
            return PreviewedStep(*about, None, text_of(decision, enrolled, campaign).body, None)
        letter = letter_of(StepDecision(enrolled.id, Act.EMAIL, step, variant=variant), enrolled, campaign)
    except RejectedInput as error:
        return PreviewedStep(
            *about, None, None, ": ".join([error.message, ", ".join(error.details)]).removesuffix(": ")
        )
    return PreviewedStep(*about, letter.subject, letter.text, None)
