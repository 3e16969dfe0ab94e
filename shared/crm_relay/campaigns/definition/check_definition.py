"""Looks for everything that could go wrong with a campaign later, before anything of it is kept."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_relay.campaigns.ab.ab_test import Plan
from crm_relay.campaigns.definition.campaign_file import Definition, Sender, StepOfFile, VariantOfStep
from crm_relay.campaigns.definition.check_content import problems_of_html, problems_of_subject, problems_of_text
from crm_relay.mail.compose import count_links
from crm_relay.mail.mail_text import formatted_address
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.conditions import read_conditions
from crm_relay.rules.send_windows import SendWindow
from crm_relay.rules.templates import declared_defaults
from crm_relay.rules.zones import problem_of_zone

_MOST_PROBLEMS = 50
# What each channel can use; anything else would be written and never seen.
_USED = {
    "email": frozenset({"subject", "body_html", "body_text", "template", "variants", "ab_test"}),
    "sms": frozenset({"body_text", "template", "variants"}),
    "linkedin": frozenset({"task"}),
    "phone": frozenset({"task"}),
    "task": frozenset({"task"}),
    "wait": frozenset(),
}
_CONTENT = ("subject", "body_html", "body_text", "template", "variants", "ab_test", "task")
_LONGEST_TEXT_MESSAGE = 1600
_READ = {"subject": problems_of_subject, "body_html": problems_of_html, "body_text": problems_of_text}

Problems = Iterator[str]


@dataclass(frozen=True)
class CampaignDraft:
    """A campaign that may be kept, as its tables take it. At most one of identity_id and new_identity is given."""

    campaign: Mapping[str, Any]
    steps: Sequence[Mapping[str, Any]]
    identity_id: UUID | None
    new_identity: Mapping[str, Any] | None


def check_definition(wanted: Definition, references: Mapping[str, Any]) -> CampaignDraft:
    """`references`: the `identity` (or None) and the `templates` that the database has for what the definition names.

    RejectedInput with 422, whose details are all problems, each with the path of its field.
    """
    templates = {template["slug"]: template for template in references["templates"]}
    problems = [*_of_campaign(wanted), *_of_sender(wanted.identity, references["identity"])]
    for place, step in enumerate(wanted.steps):
        problems += [f"steps.{place}.{problem}" for problem in _of_step(step, templates)]
    if problems:
        raise RejectedInput("the campaign is not valid", status=422, details=problems[:_MOST_PROBLEMS])
    known = references["identity"]
    return CampaignDraft(
        _campaign(wanted),
        [_step(number, step, templates) for number, step in enumerate(wanted.steps, 1)],
        None if known is None else UUID(known["id"]),
        wanted.identity.model_dump() if wanted.identity is not None and known is None else None,
    )


def _of_campaign(wanted: Definition) -> Problems:
    if problem := problem_of_zone(wanted.zone):
        yield f"zone: {problem}"
        return
    try:
        SendWindow.of(wanted.window.days, wanted.window.start, wanted.window.end, wanted.zone)
    except RejectedInput as error:
        yield f"window: {error.message}"
    if not any(step.active for step in wanted.steps):
        yield "steps: none is active"


def _of_sender(sender: Sender | None, known: Mapping[str, Any] | None) -> Problems:
    """What is said of a sender that is there already has to be what it is: other campaigns send as it too."""
    if sender is None:
        return
    for field in ("from_address", "reply_to"):
        address = getattr(sender, field)
        try:
            formatted_address(sender.from_name, address or "nobody@example.com")
        except RejectedInput as error:
            yield f"identity.{field}: {error.message}"
    if sender.from_name is not None and not sender.from_name.isprintable():
        yield "identity.from_name: a name has no line breaks and no control characters"
    for field in ("from_name", "reply_to", "inbound_domain"):
        given = getattr(sender, field)
        if known is not None and given is not None and given != known[field]:
            yield f"identity.{field}: the organization's identity with this address says otherwise"


def _of_step(step: StepOfFile, templates: Mapping[str, Mapping[str, Any]]) -> Problems:
    unused = [field for field in _CONTENT if getattr(step, field) and field not in _USED[step.channel]]
    for field in unused:
        yield f"{field}: a step of the channel {step.channel} has none"
    yield from _of_words(step)
    for place, condition in enumerate(step.skip_conditions):
        try:
            read_conditions([condition.model_dump()])
        except RejectedInput as error:
            yield f"skip_conditions.{place}: {error.message}"
    if step.template is not None and step.template not in templates:
        yield "template: the organization has no active one with this slug"
    elif not unused:
        yield from _of_content(step, templates.get(step.template or ""))
    yield from _of_variants(step)


def _of_words(step: StepOfFile) -> Problems:
    """Each text by itself: those of the step, its variants and its task."""
    for field, problems_of in _READ.items():
        yield from (f"{field}: {problem}" for problem in _problems(problems_of, getattr(step, field)))
        for place, variant in enumerate(step.variants):
            found = _problems(problems_of, getattr(variant, field))
            yield from (f"variants.{place}.{field}: {problem}" for problem in found)
    for field in ("title", "description"):
        text = None if step.task is None else getattr(step.task, field)
        # Nobody fills it: what stands there is what a person reads.
        if text is not None and "{{" in text:
            yield f"task.{field}: variables are for messages"


def _problems(problems_of: Callable[[str], list[str]], text: str | None) -> list[str]:
    return [] if text is None else problems_of(text)


def _of_content(step: StepOfFile, template: Mapping[str, Any] | None) -> Problems:
    """What every one of its variants would say, with the template behind it."""
    if step.channel == "task" and not (step.task and (step.task.title or "").strip()):
        yield "task.title: a task says what is to be done"
    if step.channel not in {"email", "sms"}:
        return
    yield from _of_template(step, template)
    for where, variant in [("", None)] if not step.variants else _named(step.variants):
        subject, html, text = _said(step, variant, template)
        if step.channel == "email" and not subject:
            yield f"{where}subject: neither the step nor its template has one"
        if step.channel == "email" and not html and not text:
            yield f"{where}body_html: neither the step nor its template has a body"
        if step.channel == "sms" and not 1 <= len(text) <= _LONGEST_TEXT_MESSAGE:
            yield f"{where}body_text: a text message has 1 to {_LONGEST_TEXT_MESSAGE} characters"
        if step.ab_test is not None:
            yield from (f"{where}body_html: {problem}" for problem in _unmeasured(step.ab_test.metric, html))


def _unmeasured(metric: str, html: str) -> Problems:
    """Opens and clicks are noticed in the HTML alone."""
    if metric == "opened" and not html:
        yield "ab_test: a mail without HTML has no opens that could be counted"
    if metric == "clicked" and not count_links(html):
        yield "ab_test: a mail without a link has no clicks that could be counted"


def _named(variants: Sequence[VariantOfStep]) -> list[tuple[str, VariantOfStep | None]]:
    return [(f"variants.{place}.", variant) for place, variant in enumerate(variants)]


def _of_template(step: StepOfFile, template: Mapping[str, Any] | None) -> Problems:
    """Only what is used of it."""
    if template is None:
        return
    used = [] if step.subject or step.channel == "sms" else ["subject"]
    used += [] if step.body_html or step.body_text else ["body_html", "body_text"]
    for field in used:
        text = template[field]
        yield from (f"template.{field}: {problem}" for problem in (_READ[field](text) if text else []))
    try:
        declared_defaults(template["variables"])
    except RejectedInput as error:
        yield ": ".join(["template.variables", error.message, *error.details])


def _said(step: StepOfFile, variant: VariantOfStep | None, template: Mapping[str, Any] | None) -> tuple[str, str, str]:
    """Subject, HTML and text, as the engine puts them together: both forms of a body come from one place."""
    places = [place for place in (variant and variant.model_dump(), step.model_dump(), template) if place]
    subject = next((place["subject"] for place in places if place["subject"]), "")
    body = next((place for place in places if place["body_html"] or place["body_text"]), {})
    html, text = body.get("body_html") or "", body.get("body_text") or ""
    return str(subject).strip(), str(html).strip(), str(text).strip()


def _of_variants(step: StepOfFile) -> Problems:
    ids = [variant.id for variant in step.variants]
    if len(set(ids)) < len(ids):
        yield "variants: every one has an id of its own"
    if len(ids) == 1:
        yield "variants: one alone is no choice"
    if step.ab_test is not None and len(ids) < 2:
        yield "ab_test: it takes at least two variants"
    if step.ab_test is not None:
        try:
            Plan(**step.ab_test.model_dump(include={"base_rate", "effect", "alpha", "power"}))
        except RejectedInput as error:
            yield f"ab_test: {error.message}"
    for place, variant in enumerate(step.variants):
        if not any((variant.subject, variant.body_html, variant.body_text)) and place:
            yield f"variants.{place}: says nothing of its own"


def _campaign(wanted: Definition) -> dict[str, Any]:
    plain = ("name", "description", "use_recipient_timezone", "topic", "late_policy", "late_minutes")
    return {field: getattr(wanted, field) for field in (*plain, "stop_company_on_reply")} | {
        "send_days": list(wanted.window.days),
        "send_window_start": wanted.window.start,
        "send_window_end": wanted.window.end,
        "timezone": wanted.zone,
    }


def _step(number: int, step: StepOfFile, templates: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "step_number": number,
        "channel": step.channel,
        "delay_days": step.delay.days,
        "delay_hours": step.delay.hours,
        "delay_minutes": step.delay.minutes,
        "template_id": templates[step.template]["id"] if step.template else None,
        "subject": step.subject,
        "body_html": step.body_html,
        "body_text": step.body_text,
        "task_config": step.task.model_dump(exclude_none=True) if step.task else None,
        "skip_conditions": [condition.model_dump() for condition in step.skip_conditions],
        "stop_on_reply": step.stop_on_reply,
        "ab_variants": [variant.model_dump(exclude_none=True) for variant in step.variants] or None,
        "ab_test": step.ab_test.model_dump() if step.ab_test else None,
        "is_active": step.active,
    }
