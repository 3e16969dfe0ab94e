"""What became of one request to send a text message, told apart by what the caller has to do next."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Taken:
    """Twilio has the message; `status` is its word, such as queued or accepted."""

    sid: str
    status: str | None


@dataclass(frozen=True)
class OptedOut:
    """Surely not sent: the person answered STOP. Counts as an unsubscription."""


@dataclass(frozen=True)
class Refused:
    """Surely not sent, and never will be as it is: the number or the text is not allowed. `code` is Twilio's."""

    reason: str
    code: int | None = None


@dataclass(frozen=True)
class Later:
    """Surely not sent now; the same request can be made again, in `seconds` where that was told."""

    reason: str
    seconds: float | None = None


@dataclass(frozen=True)
class ConfigurationWrong:
    """Surely not sent, and nothing will be until somebody changes something."""

    reason: str


@dataclass(frozen=True)
class Unclear:
    """It may have been sent, and Twilio knows no idempotency key: look it up before it is sent again."""

    reason: str


Answered = Taken | OptedOut | Refused | Later | ConfigurationWrong | Unclear
