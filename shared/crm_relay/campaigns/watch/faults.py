"""What is wrong with a campaign itself, and so holds everybody in it; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from crm_relay.campaigns.content import letter_of, text_of
from crm_relay.campaigns.decisions import due_after, window_of
from crm_relay.campaigns.load_campaign import problems_of_document, read_campaign
from crm_relay.campaigns.models import Act, Campaign, DueEnrollment, Step, StepChannel, StepDecision
from crm_relay.incidents.models import Incident
from crm_relay.mail.compose import compose
from crm_relay.mail.models import Identity
from crm_relay.platform.errors import OF_ONE_ROW, RejectedInput, describe_error

UNREADABLE = "campaign_unreadable"
"""The kind of its incidents, and what holds its people."""

CONTENT = "content"
"""What holds the people of a campaign one of whose steps cannot be written."""

CONTENT_INCIDENT = "campaign_content"

_TITLES = {
    UNREADABLE: "campaign(s) that cannot be read",
    CONTENT_INCIDENT: "campaign(s) with a step that cannot be written",
}
_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_ANY_ID = UUID(int=0)
_ANYBODY = DueEnrollment(
    _ANY_ID,
    _ANY_ID,
    _ANY_ID,
    current_step=0,
    due_at=_ANY_DAY,
    fields={},
    contact={
        "email": "somebody@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "company_name": "Example",
    },
    address="somebody@example.com",
    phone="+15550100000",
)
_ANY_SENDER = Identity(None, "sender@example.com", postal_address="1 Example Street")


@dataclass(frozen=True)
class CampaignFault:
    """`held_for` of its people; `problem` names the step and the field, and nobody."""

    campaign_id: UUID
    held_for: str
    problem: str

    @property
    def incident(self) -> Incident:
        """One a campaign and kind."""
        kind = CONTENT_INCIDENT if self.held_for == CONTENT else self.held_for
        return Incident(kind, str(self.campaign_id), _TITLES[kind], details={"problem": self.problem})


def problems_of_campaign(document: Mapping[str, Any]) -> list[str]:
    """Everything that keeps any of its people from going on."""
    if problems := problems_of_document(document):
        return problems
    campaign = read_campaign(document)
    return [problem for step in campaign.steps if (problem := problem_of_step(campaign, step)) is not None]


def problem_of_step(campaign: Campaign, step: Step) -> str | None:
    """Why nobody can get this step, or None. It is written for somebody who has everything, in each of its variants."""
    try:
        due_after(step, campaign, window_of(campaign, None), _ANY_DAY)
        for variant in step.variants or (None,):
            _write(campaign, StepDecision(_ANY_ID, Act.EMAIL, step, variant=variant))
    except RejectedInput as error:
        return f"step {step.number}: {': '.join([error.message, *error.details])}"
    except OF_ONE_ROW as error:
        return f"step {step.number}: {describe_error(error)}"
    return None


def _write(campaign: Campaign, decision: StepDecision) -> None:
    match decision.step.channel if decision.step else None:
        case StepChannel.EMAIL:
            # A missing sender or address holds the step by another name.
            sender = replace(campaign.identity or _ANY_SENDER, postal_address=_ANY_SENDER.postal_address)
            compose(letter_of(decision, _ANYBODY, campaign), sender, "https://example.com")
        case StepChannel.SMS:
            text_of(decision, _ANYBODY, campaign)
        case _:
            pass
