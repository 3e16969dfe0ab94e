"""What is asked, in its order, and where an answer goes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.addresses.mailbox import mailbox_in


@dataclass(frozen=True)
class Question:
    """`name` is a setting, or one of ORGANIZATION_ANSWERS; it is asked where `of` has an answer, or always."""

    name: str
    text: str
    of: str | None = None
    is_secret: bool = False
    default: str = ""
    problem: Callable[[str], str | None] = lambda _: None


def _problem_of_mode(answer: str) -> str | None:
    return None if answer in {"dry-run", "allow-list", "live"} else "dry-run, allow-list or live"


def _problem_of_address(answer: str) -> str | None:
    return None if mailbox_in(answer) == answer else "an address such as ada@example.com"


def _problem_of_url(answer: str) -> str | None:
    return None if answer.startswith(("https://", "http://")) else "an address that begins with https://"


ORGANIZATION_ANSWERS = ("ORGANIZATION", "POSTAL_ADDRESS", "SENDER_ADDRESS", "SENDER_NAME")

QUESTIONS: Sequence[Question] = (
    Question("ORGANIZATION", "Name of your organization"),
    Question("POSTAL_ADDRESS", "Its postal address, which every e-mail carries"),
    Question("SENDER_ADDRESS", "Address that e-mails come from", problem=_problem_of_address),
    Question("SENDER_NAME", "Name that e-mails come from", of="SENDER_ADDRESS"),
    Question("DATABASE_URL", "PostgreSQL of your CRM, postgresql://…", is_secret=True),
    Question("RESEND_API_KEY", "API key of Resend", is_secret=True),
    Question("RESEND_WEBHOOK_SECRET", "Secret of its webhook, whsec_…", of="RESEND_API_KEY", is_secret=True),
    Question(
        "SEND_MODE",
        "Who gets mail: nobody (dry-run), some (allow-list) or everybody (live)",
        of="RESEND_API_KEY",
        default="dry-run",
        problem=_problem_of_mode,
    ),
    Question("SEND_ALLOW_LIST", "Addresses and domains that get mail, separated by commas", of="RESEND_API_KEY"),
    Question("MAUTIC_URL", "Address of Mautic", problem=_problem_of_url),
    Question("MAUTIC_CLIENT_ID", "Public key of its OAuth 2 credential", of="MAUTIC_URL"),
    Question("MAUTIC_CLIENT_SECRET", "Secret key of the same credential", of="MAUTIC_URL", is_secret=True),
    Question("BISON_INSTANCE_URL", "Address of EmailBison", problem=_problem_of_url),
    Question(
        "BISON_API_TOKENS",
        'Its API tokens as JSON, {"Workspace": "12|…"}',
        of="BISON_INSTANCE_URL",
        is_secret=True,
    ),
    Question("TWILIO_ACCOUNT_SID", "Account SID of Twilio, AC…"),
    Question("TWILIO_AUTH_TOKEN", "Auth token of the same account", of="TWILIO_ACCOUNT_SID", is_secret=True),
    Question("TWILIO_FROM", "Number or messaging service that texts come from", of="TWILIO_ACCOUNT_SID"),
)

Ask = Callable[[Question, str], str]
"""The answer to a question, given what is known so far; "" for none."""


def collect(known: Mapping[str, str], ask: Ask) -> dict[str, str]:
    """The answers that are not empty. A follow-up is left out where its service is."""
    answers: dict[str, str] = {}
    for question in QUESTIONS:
        if question.of is None or answers.get(question.of):
            answer = ask(question, known.get(question.name, ""))
            if answer:
                answers[question.name] = answer
    return answers


def from_file(given: Mapping[str, str]) -> Ask:
    """Answers of a file. RejectedInput names all lines of it that nothing asks for, or that are wrong."""
    asked = {question.name: question for question in QUESTIONS}
    problems = [f"{name}: nothing asks for it" for name in given if name not in asked]
    for name, answer in given.items():
        if name in asked and answer and (problem := asked[name].problem(answer)):
            problems.append(f"{name}: {problem}")
    if problems:
        raise RejectedInput("the answers cannot be used", details=problems)
    return lambda question, known: given.get(question.name) or known or question.default
