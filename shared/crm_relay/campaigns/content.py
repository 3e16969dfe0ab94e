"""What a step says to one person: its variant's words, else its own, which are its template's where it has none."""

from collections.abc import Mapping
from dataclasses import dataclass

from crm_relay.campaigns.decisions import window_of
from crm_relay.campaigns.engine.outcomes import send_key
from crm_relay.campaigns.models import ENROLLMENT, Campaign, DueEnrollment, Step, StepDecision
from crm_relay.campaigns.variants import Variant
from crm_relay.mail.mail_text import html_to_text
from crm_relay.mail.models import Letter
from crm_relay.mail.texts.models import TextDraft
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.templates import parse, parse_subject, render

_LONGEST_TEXT_MESSAGE = 1600


@dataclass(frozen=True)
class StepContent:
    """Before its variables are filled. `html` and `text` are two forms of one message, and so come from one place."""

    subject: str
    html: str
    text: str


def content_of(step: Step, variant: Variant | None) -> StepContent:
    """A variant may change the subject alone, or the body alone: what it leaves out is the step's."""
    if variant is None:
        return StepContent(step.subject, step.body_html, step.body_text)
    subject = variant.subject or step.subject
    if variant.body_html or variant.body_text:
        return StepContent(subject, variant.body_html or "", variant.body_text or "")
    return StepContent(subject, step.body_html, step.body_text)


def values_of(enrolled: DueEnrollment, campaign: Campaign) -> dict[str, object]:
    """What the variables stand for; an empty one gives way to its default."""
    contact = enrolled.contact
    return {
        "contact.first_name": contact.get("first_name"),
        "contact.last_name": contact.get("last_name"),
        "contact.email": contact.get("email"),
        "contact.company": contact.get("company_name"),
        "campaign.name": campaign.name,
    }


def letter_of(decision: StepDecision, enrolled: DueEnrollment, campaign: Campaign) -> Letter:
    """The mail of an e-mail step, its variables filled.

    RejectedInput, which names variables and never a value, where it cannot be made: a variable that is not known, no
    subject, no body, no address.
    """
    step, address = decision.step, enrolled.address
    if step is None or address is None:
        raise RejectedInput("there is nobody to write to")
    content = content_of(step, decision.variant)
    if not content.subject.strip():
        raise RejectedInput("the step has no subject")
    subject, html, text = _filled(content, values_of(enrolled, campaign), step.defaults)
    return Letter(
        send_key=send_key(enrolled.id, step),
        org_id=campaign.org_id,
        recipient=str(enrolled.contact.get("email") or address).strip(),
        address=address,
        subject=subject,
        html=html,
        text=text,
        topic=campaign.topic,
        window=window_of(campaign, enrolled.timezone),
        entity_type=ENROLLMENT,
        entity_id=enrolled.id,
        campaign_id=enrolled.campaign_id,
        sequence_id=step.id,
        contact_id=enrolled.contact_id,
        ab_variant=None if decision.variant is None else decision.variant.id,
    )


def text_of(decision: StepDecision, enrolled: DueEnrollment, campaign: Campaign) -> TextDraft:
    """The text message of an SMS step: its plain text. RejectedInput as in letter_of, and for one that is too long."""
    step = decision.step
    if step is None or enrolled.phone is None:
        raise RejectedInput("there is no number to write to")
    content = content_of(step, decision.variant)
    body = _body(content.text, values_of(enrolled, campaign), step.defaults, html=False).strip()
    if not 1 <= len(body) <= _LONGEST_TEXT_MESSAGE:
        raise RejectedInput(f"a text message has 1 to {_LONGEST_TEXT_MESSAGE} characters")
    return TextDraft(
        send_key=send_key(enrolled.id, step),
        org_id=campaign.org_id,
        to_number=enrolled.phone,
        body=body,
        entity_type=ENROLLMENT,
        entity_id=enrolled.id,
        campaign_id=enrolled.campaign_id,
        sequence_id=step.id,
        contact_id=enrolled.contact_id,
    )


def _filled(
    content: StepContent, values: Mapping[str, object], defaults: Mapping[str, str] | None
) -> tuple[str, str, str]:
    subject = render(parse_subject(content.subject), values, defaults=defaults)
    html = _body(content.html, values, defaults, html=True)
    # From the template and not from each mail: what stands in a value is no markup.
    text = _body(content.text or html_to_text(content.html), values, defaults, html=False)
    if not html.strip() and not text.strip():
        raise RejectedInput("the step has no body")
    return subject, html, text


def _body(template: str, values: Mapping[str, object], defaults: Mapping[str, str] | None, *, html: bool) -> str:
    return render(parse(template), values, html=html, defaults=defaults) if template.strip() else ""
