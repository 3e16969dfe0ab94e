"""Things that go wrong on purpose: errors, lost answers, slow calls, and the limit of requests."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from local.simulators.fault_queue import AimedFault, HoldingFaults

Kind = Literal[
    "500_before",
    "500_after",
    "cut_before",
    "cut_after",
    "garbled_after",
    "502_page",
    "400_page",
    "429",
    "401",
    "slow",
    "held",
]


@dataclass
class ResendFault(AimedFault):
    """…_before: nothing is done. …_after: everything is done, then the answer is lost.

    500: Resend's own error. cut: the connection closes without an answer. garbled: 200 and half a body. 502_page and
    400_page: the edge's page, nothing is done. 429: `retry_after` seconds. 401: as if the key were revoked. slow:
    `seconds` pass while the request is being worked on. held: it is being worked on until `release` of the simulator.
    """

    kinds = frozenset(get_args(Kind))

    kind: Kind
    seconds: float = 1.0
    retry_after: int = 1


ResendFaults = HoldingFaults[ResendFault]


class SimulatedRateLimit:
    """`calls` in a second, counted from a window's first request; None: no limit. Refused requests count (assumed).

    [D0] 5 a second and team, of which all keys share; [D] 10.
    """

    def __init__(self, calls: int | None) -> None:
        self.calls = calls
        self._lock = threading.Lock()
        self._window: tuple[datetime, int] | None = None

    def count(self, now: datetime) -> tuple[bool, dict[str, str]]:
        """Whether this request may pass, and the headers that say how many more may [D]."""
        if self.calls is None:
            return True, {}
        with self._lock:
            start, seen = self._window or (now, 0)
            if now - start >= timedelta(seconds=1):
                start, seen = now, 0
            seen += 1
            self._window = (start, seen)
            calls = self.calls
        headers = {
            "ratelimit-limit": str(calls),
            "ratelimit-remaining": str(max(0, calls - seen)),
            "ratelimit-reset": "1",
        }
        return seen <= calls, headers | ({} if seen <= calls else {"retry-after": "1"})
