"""Things that go wrong on purpose: errors, limits, lost answers, slow and hanging calls."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Literal, get_args

from local.simulators.fault_queue import AimedFault, FaultQueue

Kind = Literal["500_before", "500_after", "502_html", "401", "429", "hang", "drop", "slow"]
Form = Literal["header", "json", "both", "none"]


@dataclass
class BisonFault(AimedFault):
    """500_before: nothing is done. 500_after: everything is done, then 500. 502_html: a proxy's page, nothing is done.
    401: as if the token were revoked. 429: `retry_after` is told in `form`. hang: no answer for `seconds`, nothing is
    done, the connection closes. drop: everything is done, but the answer never arrives. slow: `seconds` longer.
    """

    kinds = frozenset(get_args(Kind))

    kind: Kind
    seconds: float = 5.0
    retry_after: int = 1
    form: Form = "both"


@dataclass
class TooMany:
    """A limit, off by default: each `every`-th request, or all over `calls` in `seconds`.

    The vendor is quoted with 3,000 a minute [1]. One client reads the header, then `retry_after` in JSON [1].
    """

    every: int = 0
    calls: int = 0
    seconds: float = 60.0
    retry_after: int = 1
    form: Form = "both"


class BisonFaults(FaultQueue[BisonFault]):
    def __init__(self) -> None:
        super().__init__()
        self._seen = 0
        self._recent: deque[float] = deque()
        self._limit: TooMany | None = None

    def limit(self, limit: TooMany | None) -> None:
        """Begins to count again; None lifts the limit."""
        with self._lock:
            self._limit, self._seen = limit, 0
            self._recent.clear()

    def exceeded(self) -> TooMany | None:
        """Counts one request; the limit, where this request is over it. Refused requests count for `every` only."""
        with self._lock:
            limit = self._limit
            if limit is None:
                return None
            self._seen += 1
            if limit.every and self._seen % limit.every == 0:
                return limit
            return limit if limit.calls and self._over(limit) else None

    def _over(self, limit: TooMany) -> bool:
        now = time.monotonic()
        while self._recent and now - self._recent[0] >= limit.seconds:
            self._recent.popleft()
        if len(self._recent) >= limit.calls:
            return True
        self._recent.append(now)
        return False

    def clear(self) -> None:
        """No faults and no limit."""
        self.limit(None)
        super().clear()
