"""What became of one request to send, told apart by what the sender has to do next; the same words for every provider.

Each speaks of this one attempt: where an earlier attempt under the same key was Unclear, it still is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Accepted:
    """The provider has the batch. `ids` has one entry a mail, in order; None where that mail alone was refused.

    `problems`: position of a refused mail -> why, without an address. Where the provider knows keys, the same answer
    comes again, and nothing is sent again, when the request is repeated within 24 hours.
    """

    ids: tuple[str | None, ...]
    problems: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RefusedWhole:
    """Surely nothing was sent: something in the batch is not allowed. `reason` holds no address.

    `retry_payload`: parts of it may pass, each under a key of its own; else no part of it will under such a key.
    `is_named`: the provider itself says so by an error of its own; else a page of somebody in between may have.
    """

    reason: str
    retry_payload: bool = True
    is_named: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class QuotaExhausted:
    """Surely nothing was sent: the plan's messages are used up for this day or month."""

    period: Literal["day", "month"]
    seconds: float | None = None


@dataclass(frozen=True)
class KeyMisused:
    """The provider had other bytes under this key within 24 hours: nothing was sent now, but those bytes were."""


@dataclass(frozen=True)
class Taken:
    """The provider has the text message; `status` is its word, such as queued or accepted."""

    sid: str
    status: str | None


@dataclass(frozen=True)
class OptedOut:
    """Surely not sent: the person answered STOP. Counts as an unsubscription."""


@dataclass(frozen=True)
class Refused:
    """Surely not sent, and never will be as it is: the number or the text is not allowed. `code` is the provider's."""

    reason: str
    code: int | None = None


@dataclass(frozen=True)
class Later:
    """Surely nothing was sent now; the same request can be made again, in `seconds` where the answer says so."""

    reason: str
    seconds: float | None = None


@dataclass(frozen=True)
class ConfigurationWrong:
    """Surely nothing was sent, and nothing will be until somebody changes something.

    `of_sender`: it is about a From address, its domain not verified for one; mail of other senders may pass.
    """

    reason: str
    of_sender: bool = False


@dataclass(frozen=True)
class Unclear:
    """It may have been sent. Only the same key and the same bytes are safe to repeat, within 24 hours of the first.

    Where the provider knows no keys nothing is: look for the message, or wait for an event of it.
    """

    reason: str


EmailAnswer = Accepted | RefusedWhole | Later | QuotaExhausted | ConfigurationWrong | Unclear | KeyMisused
TextAnswer = Taken | OptedOut | Refused | Later | ConfigurationWrong | Unclear
