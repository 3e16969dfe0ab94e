"""send_email: a letter of `email_templates`, or one that is written out, as campaigns compose theirs."""

from uuid import UUID

from crm_relay.consent.address import normalise
from crm_relay.mail.compose import compose
from crm_relay.mail.mail_text import html_to_text
from crm_relay.mail.models import Letter
from crm_relay.platform.errors import IgnoredInput, RejectedInput
from crm_relay.rules.templates import declared_defaults
from crm_relay.workflows.actions.configs import SendEmailConfig
from crm_relay.workflows.actions.effects import LetterOut, StepMade, StepMoment
from crm_relay.workflows.run_models import LetterTemplate
from crm_relay.workflows.variables import fill, names_in

ACTION = "workflow_action"
"""The `entity_type` of our mail in the ledger; its `entity_id` is the id of the action."""


def send_email(config: SendEmailConfig, at: StepMoment) -> StepMade:
    """IgnoredInput where there is no address to write to; RejectedInput where the letter cannot be made."""
    recipient = at.optional(config.to, is_line=True)
    if recipient is None:
        raise IgnoredInput("no_address")
    address = normalise(recipient)
    if address is None:
        raise IgnoredInput("invalid_address")
    head = at.facts.letterhead
    if head is None or head.identity is None:
        raise RejectedInput("the organization has no sender")
    content = _content(config, at)
    subject, html, text = _filled(content, at)
    letter = Letter(
        send_key=f"workflow:{at.action_id}",
        org_id=at.run.org_id,
        recipient=recipient,
        address=address,
        subject=subject,
        html=html,
        text=text,
        topic=config.topic,
        entity_type=ACTION,
        entity_id=at.action_id,
        contact_id=_contact_of(at, address),
    )
    return StepMade((LetterOut(compose(letter, head.identity, head.public_url, head.link_keys)),))


def template_key(config: SendEmailConfig) -> str | None:
    """By which a template is found; None: the letter is written out."""
    return str(config.template_id) if config.template_id is not None else config.template_slug


def _content(config: SendEmailConfig, at: StepMoment) -> LetterTemplate:
    """What the step says itself goes before what its template says."""
    if (key := template_key(config)) is None:
        return LetterTemplate(config.subject or "", config.html or "", config.text or "")
    found = at.facts.templates.get(key)
    if found is None:
        raise RejectedInput("template: there is none that is active in this organization")
    if config.html or config.text:
        return LetterTemplate(config.subject or found.subject, config.html or "", config.text or "", found.variables)
    return LetterTemplate(config.subject or found.subject, found.html, found.text, found.variables)


def _filled(content: LetterTemplate, at: StepMoment) -> tuple[str, str, str]:
    written = content.text or html_to_text(content.html)
    known = names_in(content.subject) | names_in(content.html) | names_in(written)
    declared = content.variables if isinstance(content.variables, list) else []
    defaults = declared_defaults(
        [each for each in declared if isinstance(each, dict) and each.get("name") in known], known
    )
    subject_of, name = at.facts.subject, at.run.workflow_name
    subject = fill(content.subject, subject_of, name, is_line=True, defaults=defaults)
    html = fill(content.html, subject_of, name, html=True, defaults=defaults)
    text = fill(written, subject_of, name, defaults=defaults)
    if not subject.strip():
        raise RejectedInput("subject: is empty once its variables are filled")
    if not html.strip() and not text.strip():
        raise RejectedInput("body: is empty once its variables are filled")
    return subject, html, text


def _contact_of(at: StepMoment, address: str) -> UUID | None:
    """The contact of the record, where it is theirs: suppression looks at both."""
    contact = at.facts.records.contact
    if contact is None or normalise(str(contact.get("email") or "")) != address:
        return None
    return UUID(str(contact["id"]))
