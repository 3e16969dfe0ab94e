"""What is wrong with the words of a step: unknown variables, subjects that end a header, HTML that no mail may hold."""

import re
from collections.abc import Callable, Iterable, Iterator
from html.parser import HTMLParser

from crm_relay.campaigns.content import content_of
from crm_relay.campaigns.models import Step, StepChannel
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.templates import parse, parse_subject

_FORBIDDEN = frozenset({"script", "iframe", "object", "embed", "form", "input", "button", "textarea", "select", "base"})
_LINKS = frozenset({"href", "src", "action", "background", "formaction", "xlink:href"})
_PROGRAM = re.compile(r"^[\s\x00-\x1f]*(javascript|vbscript|data\s*:\s*text/html)", re.IGNORECASE)
_OPEN_TAG = re.compile(r"<[A-Za-z/!][^>]*\Z")
_QUOTED = re.compile(r"""=\s*("[^"]*"|'[^']*')""")


def problems_of_steps(steps: Iterable[Step]) -> list[str]:
    """Of messages that could not be written now: a template may have been changed since the campaign was saved."""
    problems: dict[str, None] = {}
    for step in steps:
        if step.channel in {StepChannel.EMAIL, StepChannel.SMS}:
            problems |= dict.fromkeys(f"step {step.number}: {problem}" for problem in _of_message(step))
    return list(problems)


def _of_message(step: Step) -> Iterator[str]:
    for variant in step.variants or (None,):
        said = content_of(step, variant)
        if step.channel is StepChannel.EMAIL and not said.subject.strip():
            yield "it has no subject"
        if not (said.html.strip() and step.channel is StepChannel.EMAIL) and not said.text.strip():
            yield "it has no body"
        yield from (f"subject {problem}" for problem in _refusals(parse_subject, said.subject))
        for text in (said.html, said.text):
            yield from (f"body {problem}" for problem in _refusals(parse, text))


def problems_of_subject(text: str) -> list[str]:
    """One line, and only variables that are known."""
    return [*_refusals(parse_subject, text), *_blank(text)]


def problems_of_text(text: str) -> list[str]:
    """Of a part in plain text."""
    return [*_refusals(parse, text), *_blank(text)]


def problems_of_html(text: str) -> list[str]:
    """As in `problems_of_text`, and nothing that runs, asks for input, or lets a value become markup."""
    reader = _TagReader()
    reader.feed(text)
    reader.close()
    if _OPEN_TAG.search(text):
        reader.found.append("a tag is not closed with >")
    return [*problems_of_text(text), *dict.fromkeys(reader.found)]


def _blank(text: str) -> Iterator[str]:
    if not text.strip():
        yield "is empty"


def _refusals(read: Callable[[str], object], text: str) -> Iterator[str]:
    try:
        read(text)
    except RejectedInput as error:
        yield ": ".join([error.message, ", ".join(error.details)]) if error.details else error.message


class _TagReader(HTMLParser):
    """Collects what is wrong; a mail reader would drop it, or a filter the whole mail."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opening tags, and those that are closed at once."""
        if tag in _FORBIDDEN:
            self.found.append(f"<{tag}> has no place in a mail")
        # A value is escaped for a place between tags and for a quoted attribute; anywhere else it could be markup.
        if "{{" in _QUOTED.sub("", self.get_starttag_text() or ""):
            self.found.append("a variable in a tag has to stand in a quoted attribute")
        for name, value in attrs:
            if name.startswith("on"):
                self.found.append("a mail runs no scripts: no attribute may begin with on")
            if name in _LINKS and _PROGRAM.match(value or ""):
                self.found.append(f"{name} has to be a link")
