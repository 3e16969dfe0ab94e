"""What a template may say, checked when it is saved, and which one of several speaks for a request."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from crm_relay.notifications.content.formats import TYPES
from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.content.rendering import BUILT_IN, known_names, value_of
from crm_relay.notifications.models import NotificationTemplate
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.placeholders import problems_of_placeholders, with_spelling
from crm_relay.rules.template_html import links_of, problems_of_markup
from crm_relay.rules.templates import parse, parse_subject

_SLUG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_VARIABLE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
# In a mail a value never decides where a link leads: scheme and host stand in the template.
_LITERAL_LINK = re.compile(
    r"\s*(\{\{\s*action_url\s*\}\}|https://[^/?#{}\s]+[/?#][^{}]*.*|mailto:.*|tel:.*)\Z", re.DOTALL
)
_LONGEST = {
    "title_template": 500,
    "email_subject_template": 500,
    "sms_template": 500,
    "category": 100,
    "action_label": 100,
}
_LINES = ("title_template", "email_subject_template")
_TEXTS = ("message_template", "email_body_text_template", "sms_template")


def problems_of_template(template: NotificationTemplate, links: LinkRules) -> list[str]:
    """What keeps it from being saved, each with the name of its column; empty: nothing."""
    return list(
        dict.fromkeys(
            (
                *_of_identity(template),
                *_of_variables(template),
                *_of_texts(template),
                *_of_html(template),
                *_of_link(template, links),
                *_of_conditions(template.conditions),
            )
        )
    )


def choose_template(
    templates: Iterable[NotificationTemplate], facts: Mapping[str, object]
) -> NotificationTemplate | None:
    """Of those with the slug of a request the one that speaks: an organization's before the system's.

    `conditions` of a template are words that a fact has to equal, `{"entity_type": "deal", "priority": ["high",
    "urgent"]}`: all of them, or it does not speak. `facts` are columns of the request and its variables by name.
    """
    own_first = sorted(templates, key=lambda template: template.org_id is None)
    return next((template for template in own_first if holds(template.conditions, facts)), None)


def holds(conditions: Mapping[str, Any], facts: Mapping[str, object]) -> bool:
    """Whether every condition is met. A fact that is not there meets none."""
    return all(_meets(value_of(facts, name), wanted) for name, wanted in conditions.items())


def _meets(fact: object, wanted: object) -> bool:
    if fact is None:
        return False
    allowed = wanted if isinstance(wanted, list) else [wanted]
    return _word(fact) in {_word(word) for word in allowed}


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_identity(template: NotificationTemplate) -> Iterator[str]:
    if not _SLUG.fullmatch(template.slug):
        yield "slug: lower-case letters, digits, dots, dashes and underscores, at most 100"
    for column, longest in _LONGEST.items():
        if len(getattr(template, column) or "") > longest:
            yield f"{column}: longer than {longest} characters"
    for column in ("category", "title_template", "message_template"):
        if not getattr(template, column).strip():
            yield f"{column}: is empty"
    has_body = (template.email_body_template or "").strip() or (template.email_body_text_template or "").strip()
    if bool((template.email_subject_template or "").strip()) != bool(has_body):
        yield "email_subject_template: an e-mail has a subject and a body"


def _of_variables(template: NotificationTemplate) -> Iterator[str]:
    counts = Counter(variable.name for variable in template.variables)
    for variable in template.variables:
        if not _NAME.fullmatch(variable.name):
            yield "variables: a name consists of words with dots between them"
        elif counts[variable.name] > 1:
            yield f"variables: {variable.name} is declared twice"
        if variable.type not in TYPES:
            yield f"variables: a type is one of {', '.join(sorted(TYPES))}"


def _of_texts(template: NotificationTemplate) -> Iterator[str]:
    known = known_names(template)
    for columns, read in ((_LINES, parse_subject), (_TEXTS, parse)):
        for column in columns:
            yield from (f"{column}: {problem}" for problem in _refusals(read, getattr(template, column) or "", known))


def _of_html(template: NotificationTemplate) -> Iterator[str]:
    html = template.email_body_template or ""
    problems = [*_refusals(parse, html, known_names(template)), *problems_of_markup(html)]
    yield from (f"email_body_template: {problem}" for problem in problems)
    if any("{{" in link and not _LITERAL_LINK.match(link) for link in links_of(html)):
        yield "email_body_template: a link is {{action_url}}, or its host stands in the template"


def _of_link(template: NotificationTemplate, links: LinkRules) -> Iterator[str]:
    url = template.action_url_template
    if url is None:
        return
    yield from (f"action_url_template: {each}" for each in _refusals(parse, url, known_names(template) - BUILT_IN))
    try:
        # As it is with values in it: each is one segment.
        links.check(_VARIABLE.sub("x", url.strip()))
    except RejectedInput as error:
        yield error.message.replace("action_url", "action_url_template", 1)
    if re.match(r"\s*(https://)?[^/]*\{\{", url):
        yield "action_url_template: scheme and host stand in the template"


def _of_conditions(conditions: Mapping[str, Any]) -> Iterator[str]:
    for name, wanted in conditions.items():
        words = wanted if isinstance(wanted, list) else [wanted]
        if not _NAME.fullmatch(name) or not words or not all(isinstance(word, str | int | bool) for word in words):
            yield "conditions: names with a word, or a list of words, that a fact has to equal"


def _refusals(read: Callable[[str, frozenset[str]], object], text: str, known: frozenset[str]) -> Iterator[str]:
    try:
        read(text, known)
    except RejectedInput as error:
        details = ", ".join(with_spelling(error.details, known))
        yield ": ".join([error.message, details]) if details else error.message
    yield from problems_of_placeholders(text, known)
