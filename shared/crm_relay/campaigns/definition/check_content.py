"""What is wrong with the words of a step: unknown variables, subjects that end a header, HTML that no mail may hold."""

from collections.abc import Callable, Iterable, Iterator

from crm_relay.campaigns.content import content_of
from crm_relay.campaigns.models import Step, StepChannel
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.placeholders import problems_of_placeholders, with_spelling
from crm_relay.rules.template_html import problems_of_markup
from crm_relay.rules.templates import parse, parse_subject


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
    return [*problems_of_text(text), *problems_of_markup(text)]


def _blank(text: str) -> Iterator[str]:
    if not text.strip():
        yield "is empty"


def _refusals(read: Callable[[str], object], text: str) -> Iterator[str]:
    try:
        read(text)
    except RejectedInput as error:
        details = ", ".join(with_spelling(error.details))
        yield ": ".join([error.message, details]) if details else error.message
    yield from problems_of_placeholders(text)
