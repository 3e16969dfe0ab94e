"""A template and its values become the texts of one person: title and message, e-mail, text message, link."""

from collections.abc import Mapping
from urllib.parse import quote

from crm_relay.mail.mail_text import html_to_text
from crm_relay.notifications.content.formats import TYPES, format_value
from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.models import EmailContent, NotificationTemplate, ReaderLocale, Rendered
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.templates import parse, parse_subject, render

BUILT_IN = frozenset({"action_url", "action_label"})
"""What every template may name without declaring it: its link as a reader outside the application needs it."""

_LONGEST_LINE = 300
_LONGEST_MESSAGE = 10_000
_LONGEST_SMS = 480
_CURRENCY = "currency"
_NO_LINKS = LinkRules()


def render_notification(
    template: NotificationTemplate,
    values: Mapping[str, object],
    reader: ReaderLocale,
    *,
    action_url: str | None = None,
    links: LinkRules = _NO_LINKS,
) -> Rendered:
    """The texts of every channel that the template has words for.

    `values`: by full name (`deal.name`) or nested (`{"deal": {"name": …}}`); what the template does not declare is not
    looked at. `action_url`: the request's own, which outweighs the template's. RejectedInput, which names variables and
    never a value, for a text that names an undeclared variable, for a required one that is missing or blank, for a
    value of another type, and for a link that leads elsewhere than `links` allows.
    """
    written = _written_values(template, values, reader, given_url=action_url)
    url = _action_url(template, written, action_url, links)
    written |= {"action_url": links.absolute(url) if url else None, "action_label": template.action_label}
    if not (title := _line(template, template.title_template, written)):
        raise RejectedInput("the title is empty")
    return Rendered(
        title=_cut(title, _LONGEST_LINE),
        message=_cut(_text(template, template.message_template, written), _LONGEST_MESSAGE),
        action_url=url,
        email=_email(template, written),
        sms=_cut(_text(template, template.sms_template, written), _LONGEST_SMS) if template.sms_template else None,
    )


def known_names(template: NotificationTemplate) -> frozenset[str]:
    """What its texts may name."""
    return frozenset(variable.name for variable in template.variables) | BUILT_IN


def _written_values(
    template: NotificationTemplate, values: Mapping[str, object], reader: ReaderLocale, given_url: str | None
) -> dict[str, object]:
    written: dict[str, object] = {}
    missing, mistyped = [], []
    for variable in template.variables:
        value = given_url if variable.name == "action_url" else value_of(values, variable.name)
        kind = variable.type if variable.type in TYPES else "string"
        try:
            text = format_value(kind, value, reader, value_of(values, _currency_of(variable.name)))
        except RejectedInput:
            mistyped.append(f"{variable.name}: not a {kind}")
            continue
        if variable.is_required and not text.strip() and not _has_own_url(template, variable.name):
            missing.append(variable.name)
        written[variable.name] = text
    if missing:
        raise RejectedInput("the request lacks variables that the template requires", details=sorted(missing))
    if mistyped:
        raise RejectedInput("variables have values of another type", details=sorted(mistyped))
    return written


def _has_own_url(template: NotificationTemplate, name: str) -> bool:
    return name == "action_url" and bool(template.action_url_template)


def value_of(values: Mapping[str, object], name: str) -> object:
    """Of the flat name, else of the nested one; None where there is neither."""
    if name in values:
        return values[name]
    found: object = values
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def _currency_of(name: str) -> str:
    """Beside `deal.value` stands `deal.currency`."""
    return f"{name.rpartition('.')[0]}.{_CURRENCY}".lstrip(".")


def _action_url(
    template: NotificationTemplate, written: Mapping[str, object], given: str | None, links: LinkRules
) -> str | None:
    if given:
        return links.check(given)
    if not template.action_url_template:
        return None
    # A value is one segment: it brings no slash, no query and no host of its own.
    parts = {name: quote(str(value), safe="") for name, value in written.items()}
    url = render(parse(template.action_url_template, known_names(template)), parts | dict.fromkeys(BUILT_IN))
    return links.check(url.strip())


def _email(template: NotificationTemplate, written: Mapping[str, object]) -> EmailContent | None:
    html, text = template.email_body_template or "", template.email_body_text_template or ""
    if not template.email_subject_template or not (html.strip() or text.strip()):
        return None
    return EmailContent(
        subject=_cut(_line(template, template.email_subject_template, written), _LONGEST_LINE),
        html=render(parse(html, known_names(template)), written, html=True) if html.strip() else "",
        # From the template and not from each mail: what stands in a value is no markup.
        text=_text(template, text if text.strip() else html_to_text(html), written),
    )


def _line(template: NotificationTemplate, text: str, written: Mapping[str, object]) -> str:
    return render(parse_subject(text, known_names(template)), written)


def _text(template: NotificationTemplate, text: str, written: Mapping[str, object]) -> str:
    return render(parse(text, known_names(template)), written).strip()


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
