"""Variables in the texts of a workflow: `{{deal.name}}`, `{{contact.first_name|there}}`, `{{event.old.stage}}`."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.record_conditions import ConditionSubject
from crm_relay.rules.templates import Template, check, parse, parse_subject, render

WORKFLOW_NAME = "workflow.name"


@lru_cache(maxsize=4096)
def names_in(text: str) -> frozenset[str]:
    """The names that `text` uses; RejectedInput where a `{{` begins no variable."""
    return frozenset(check(text, frozenset()))


@lru_cache(maxsize=4096)
def _template(text: str, *, is_line: bool) -> Template:
    return (parse_subject if is_line else parse)(text, names_in(text))


def fill(
    text: str,
    subject: ConditionSubject,
    workflow_name: str,
    *,
    is_line: bool = False,
    html: bool = False,
    defaults: Mapping[str, str] | None = None,
) -> str:
    """`text` with its values; what is null gives way to its default. `is_line`: one line, as a title has."""
    if "{{" not in text:
        return text
    template = _template(text, is_line=is_line)
    values = {
        name: workflow_name if name == WORKFLOW_NAME else written(subject.value_of(name)) for name in template.names
    }
    return render(template, values, html=html, defaults=defaults)


def fill_url(url: str, subject: ConditionSubject, workflow_name: str) -> str:
    """`url` with its values, each percent-encoded as a whole: it stays in its segment or parameter, whatever it holds.

    RejectedInput where a value makes a segment `.` or `..`, which would lead to another path.
    """
    if "{{" not in url:
        return url
    template = _template(url, is_line=True)
    values = {
        name: workflow_name if name == WORKFLOW_NAME else written(subject.value_of(name)) for name in template.names
    }
    given = {name: quote(value, safe="") if value and value.strip() else None for name, value in values.items()}
    filled = render(template, given)
    if _dots_in(filled) != _dots_in(render(template, dict.fromkeys(values, "x"))):
        raise RejectedInput("url: a value of the record leads to another path")
    return filled


def _dots_in(url: str) -> int:
    return sum(segment in {".", ".."} for segment in urlsplit(url).path.split("/"))


def written(value: Any) -> str | None:
    """A value of a column as a text has it: 5000 for 5000.0, and JSON for lists."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
