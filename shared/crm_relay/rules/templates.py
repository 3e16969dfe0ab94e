"""Variables in subjects and bodies: found when a template is saved, filled when a mail is written.

`{{contact.first_name}}`, or with a default `{{ contact.first_name | there }}`. There is nothing else to learn: no
conditions, loops or expressions, hence no engine that would have to be kept from running somebody's program.
"""

import html as markup
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from crm_relay.platform.errors import RejectedInput

VARIABLES = frozenset({"contact.first_name", "contact.last_name", "contact.email", "contact.company", "campaign.name"})
"""What a campaign's texts may name."""

_VARIABLE = re.compile(
    r"""\{\{
    (?: \s* (?P<name> [A-Za-z_]\w* (?: \.[A-Za-z_]\w* )* ) \s*
        (?: \| (?P<default> [^{}|]* ) )?
    \}\} )?""",
    re.VERBOSE | re.ASCII,
)
# Line breaks and everything else that has no place in one line: C0, C1, the two separators, halves of a character.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROLS = re.compile(f"{_CONTROL.pattern}+")
_LONGEST_NAME_SHOWN = 60


@dataclass(frozen=True)
class Slot:
    """A variable's place; `default` is the one that stands with it."""

    name: str
    default: str | None = None


@dataclass(frozen=True)
class Template:
    """A text in its parts, of which every slot's name is known. `is_line`: a subject, which never has a line break."""

    parts: tuple[str | Slot, ...]
    is_line: bool = False

    @cached_property
    def names(self) -> frozenset[str]:
        """The variables that stand in it."""
        return frozenset(part.name for part in self.parts if isinstance(part, Slot))


def check(text: str, known: frozenset[str] = VARIABLES) -> list[str]:
    """The names of variables in `text` that are not `known`, sorted; RejectedInput where a `{{` begins no variable."""
    return sorted({part.name for part in _split(text) if isinstance(part, Slot)} - known)


@lru_cache(maxsize=1024)
def parse(text: str, known: frozenset[str] = VARIABLES) -> Template:
    """A body; RejectedInput, whose details are the unknown names, for what could not be filled later."""
    if unknown := check(text, known):
        raise RejectedInput("the template names unknown variables", details=[_shown(name) for name in unknown])
    return Template(_split(text))


@lru_cache(maxsize=1024)
def parse_subject(text: str, known: frozenset[str] = VARIABLES) -> Template:
    """As `parse`; a subject is one line, and RejectedInput also where it is not."""
    if _CONTROL.search(text):
        raise RejectedInput("a subject has no line breaks and no control characters")
    return Template(parse(text, known).parts, is_line=True)


def declared_defaults(variables: object, known: frozenset[str] = VARIABLES) -> dict[str, str]:
    """Of `email_templates.variables`, `[{"name": "contact.first_name", "default": "there"}]`; null is an empty list.

    RejectedInput for any other shape, and for a name that no text may use.
    """
    entries = [] if variables is None else variables
    if not isinstance(entries, list) or not all(_is_declaration(entry) for entry in entries):
        raise RejectedInput("variables of a template: a list of {name, default?}, both of them text")
    if unknown := sorted({entry["name"] for entry in entries} - known):
        raise RejectedInput("the template declares unknown variables", details=[_shown(name) for name in unknown])
    return {entry["name"]: entry["default"] for entry in entries if entry.get("default") is not None}


def render(
    template: Template, values: Mapping[str, Any], *, html: bool = False, defaults: Mapping[str, str] | None = None
) -> str:
    """The text with its values. What a value holds is never looked at again, `{{...}}` neither.

    A value that is null or blank gives way to the default beside the variable, then to the declared one, then to
    nothing. `html`: values and defaults are escaped, and can stand between tags and in quoted attributes. In a subject
    line breaks and control characters become one space. RejectedInput names the variables that `values` does not have.
    """
    if not template.names <= values.keys():
        missing = sorted(template.names - values.keys())
        raise RejectedInput("the template names variables without a value", details=[_shown(name) for name in missing])
    written = "".join(
        [
            part if isinstance(part, str) else _fill(part, values[part.name], defaults or {}, html=html)
            for part in template.parts
        ]
    )
    return one_line(written) if template.is_line else written


def one_line(text: str) -> str:
    """Fit for a header: every run of line breaks and control characters is a space."""
    return _CONTROLS.sub(" ", text).strip()


def _fill(slot: Slot, value: Any, defaults: Mapping[str, str], *, html: bool) -> str:
    filled = "" if value is None else str(value)
    if not filled.strip():
        # An editor of HTML writes & in a default as &amp; already.
        own = markup.unescape(slot.default) if html and slot.default is not None else slot.default
        filled = defaults.get(slot.name, "") if own is None else own
    return markup.escape(filled) if html else filled


def _split(text: str) -> tuple[str | Slot, ...]:
    parts: list[str | Slot] = []
    end = 0
    for found in _VARIABLE.finditer(text):
        if found["name"] is None:
            line = text.count("\n", 0, found.start()) + 1
            raise RejectedInput(
                "the template has a {{ that begins no variable",
                details=[f"line {line}: write {{{{name}}}} or {{{{name|default}}}}"],
            )
        default = found["default"]
        parts += [text[end : found.start()], Slot(found["name"], None if default is None else default.strip())]
        end = found.end()
    return tuple(part for part in (*parts, text[end:]) if part != "")


def _is_declaration(entry: object) -> bool:
    return (
        isinstance(entry, dict) and isinstance(entry.get("name"), str) and isinstance(entry.get("default"), str | None)
    )


def _shown(name: str) -> str:
    return name[:_LONGEST_NAME_SHOWN]
