"""Things that go wrong on purpose, and the units of the quota."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from local.simulators.fault_queue import AimedFault, HoldingFaults
from local.simulators.gmail.wire import too_many

Kind = Literal[
    "401",
    "403",
    "403_rate",
    "404",
    "429",
    "500",
    "500_after",
    "503",
    "cut_before",
    "duplicate_page",
    "hang",
    "held",
    "html",
    "lost",
    "shift",
    "truncated",
]


@dataclass
class GmailFault(AimedFault):
    """…_after: everything is done, then 500. lost: everything is done, and the connection closes. cut_before: it closes
    and nothing is done. truncated: everything is done, half of the answer comes. html: a proxy's page with 200. hang:
    `seconds` pass, nothing is done and nothing answered. held: it waits until `release` of the simulator.
    duplicate_page: a page begins with the last item of the page before. shift: a page ends an item too early, and the
    next one has it. The others are Google's errors, and nothing is done. `skip` requests pass first.
    """

    kinds = frozenset(get_args(Kind))

    kind: Kind
    seconds: float = 1.0


GmailFaults = HoldingFaults[GmailFault]


UNITS = {
    "profile": 1,
    "history": 2,
    "messages": 5,
    "labels": 1,
    "threads": 10,
    "drafts": 10,
    "send": 100,
}
"""[Q]; of drafts and threads assumed."""


class GmailQuota:
    """15,000 units a minute and user [Q]. None: no limit. The minute is that of the accounts' clock."""

    def __init__(self, per_minute: int | None = 15_000) -> None:
        self.per_minute = per_minute
        self._lock = threading.Lock()
        self._recent: dict[str, deque[tuple[datetime, int]]] = {}

    def count(self, address: str, units: int, now: datetime) -> None:
        """Raises GmailApiError with 429."""
        if self.per_minute is None:
            return
        with self._lock:
            recent = self._recent.setdefault(address, deque())
            while recent and now - recent[0][0] >= timedelta(minutes=1):
                recent.popleft()
            if sum(each for _, each in recent) + units > self.per_minute:
                raise too_many()
            recent.append((now, units))
