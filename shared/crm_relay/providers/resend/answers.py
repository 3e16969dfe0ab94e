"""What became of one request to send, told apart by what the caller has to do next.

Each speaks of this one attempt: where an earlier attempt under the same key was Unclear, it still is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Accepted:
    """Resend has the batch. `ids` has one entry a mail, in order; None where that mail alone was refused.

    `problems`: position of a refused mail -> why, without an address. The same answer comes again, and nothing is sent
    again, when the request is repeated within 24 hours.
    """

    ids: tuple[str | None, ...]
    problems: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RefusedWhole:
    """Surely nothing was sent: something in the batch is not allowed. `reason` holds no address.

    `retry_payload`: parts of it may pass, each under a key of its own; else no part of it will under such a key.
    """

    reason: str
    retry_payload: bool = True


@dataclass(frozen=True)
class Later:
    """Surely nothing was sent now; the same request can be made again, in `seconds` where that was told."""

    reason: str
    seconds: float | None = None


@dataclass(frozen=True)
class QuotaExhausted:
    """Surely nothing was sent: the plan's mails are used up. A day's are given again at midnight UTC."""

    period: Literal["day", "month"]
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
    """It may have been sent. Only the same key and the same bytes within 24 hours of the first attempt are safe."""

    reason: str


@dataclass(frozen=True)
class KeyMisused:
    """Resend had other bytes under this key within 24 hours: nothing was sent now, but those bytes were."""


Answered = Accepted | RefusedWhole | Later | QuotaExhausted | ConfigurationWrong | Unclear | KeyMisused
