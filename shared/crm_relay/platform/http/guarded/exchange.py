"""A request to a configured address, its answer, and why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from crm_relay.platform.errors import NoAnswer, NotConnected, RejectedInput


@dataclass(frozen=True)
class OutgoingRequest:
    """`url` and `headers` may hold credentials, so neither is shown."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class OutgoingAnswer:
    """Any status. Names of headers are in lower case; `body` is cut where it is longer than is read."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


class TargetRefused(RejectedInput):
    """The address, or one that it redirects to, is none that may be asked; nothing was sent there.

    `reason` is a word for the log, such as `loopback` or `redirect_to_other_host`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"url: refused ({reason})")
        self.reason = reason


class TargetNotConnected(NotConnected):
    """Nothing was sent. `reason`: no_such_name, certificate, or not_connected."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no connection: {reason}")
        self.reason = reason


class TargetSilent(NoAnswer):
    """The request may have been carried out. `reason`: timed_out, cut_off, or answer_too_large."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no answer: {reason}")
        self.reason = reason
