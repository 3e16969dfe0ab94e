"""Things that go wrong on purpose, and Airtable's limits of requests."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from local.simulators.airtable.wire import AirtableApiError, listed_error
from local.simulators.fault_queue import AimedFault, HoldingFaults

Kind = Literal[
    "200_page",
    "401",
    "403",
    "404",
    "422_formula",
    "422_iterator",
    "429",
    "429_billing",
    "500_before",
    "500_after",
    "502_page",
    "503",
    "cut_before",
    "cut_after",
    "truncated",
    "hang",
    "held",
    "partial_write",
    "duplicate_page",
    "shifted_page",
]


@dataclass
class AirtableFault(AimedFault):
    """…_before: nothing is done. …_after: everything is done, then the answer is lost.

    401, 403, 404, 503: Airtable's own errors, nothing is done. 422_iterator: the offset is not known any more.
    422_formula: the formula is not understood. 429: the limit of a base, which is locked from then on.
    429_billing: the calls of the month are used up. 200_page, 502_page: a proxy's page. cut: the connection closes
    without an answer. truncated: everything is done, half of the answer comes. hang: `seconds` pass, nothing is done,
    nothing is answered. held: it waits until `release` of the simulator. partial_write: `items` records are written,
    then 500. duplicate_page: the page before comes again, under the new offset. shifted_page: the page begins `items`
    rows too late, so these rows are not seen. `skip` requests pass first.
    """

    kinds = frozenset(get_args(Kind))

    kind: Kind
    seconds: float = 1.0
    items: int = 1


AirtableFaults = HoldingFaults[AirtableFault]


class AirtableLimits:
    """5 requests a second and base, then 30 seconds without any; 50 a second and token; calls of a month [D].

    None: no limit. A refused request is no call of the month, and calls of `/meta/` are none either [R]. The seconds
    are those of the account's clock.
    """

    def __init__(self, per_base: int | None, per_token: int | None = 50) -> None:
        self.per_base = per_base
        self.per_token = per_token
        self.monthly: int | None = None
        self.lock_seconds = 30.0
        self.calls: dict[str, int] = {}
        self.refused = 0
        self._lock = threading.Lock()
        self._recent: dict[str, deque[datetime]] = {}
        self._locked_until: dict[str, datetime] = {}

    def count(self, base_id: str | None, token: str, now: datetime) -> None:
        """Raises AirtableApiError with 429. `base_id` None: a call that belongs to no base."""
        with self._lock:
            if base_id is not None:
                self._within(base_id, self.per_base, now)
            self._within(token, self.per_token, now)
            if base_id is None:
                return
            month = f"{now:%Y-%m}"
            if self.monthly is not None and self.calls.get(month, 0) >= self.monthly:
                self.refused += 1
                raise month_is_spent()
            self.calls[month] = self.calls.get(month, 0) + 1

    def lock(self, base_id: str, now: datetime) -> None:
        with self._lock:
            self._locked_until[base_id] = now + timedelta(seconds=self.lock_seconds)

    def _within(self, key: str, limit: int | None, now: datetime) -> None:
        if now < self._locked_until.get(key, now):
            self.refused += 1
            raise too_many()
        if limit is None:
            return
        recent = self._recent.setdefault(key, deque())
        while recent and now - recent[0] >= timedelta(seconds=1):
            recent.popleft()
        recent.append(now)
        if len(recent) > limit:
            recent.clear()
            self.refused += 1
            self._locked_until[key] = now + timedelta(seconds=self.lock_seconds)
            raise too_many()


def too_many() -> AirtableApiError:
    """There is no Retry-After [D]."""
    return listed_error(429, "RATE_LIMIT_REACHED", "Rate limit exceeded. Please try again later")


def month_is_spent() -> AirtableApiError:
    text = "API billing plan limit exceeded. You've reached the maximum number of requests allowed for this month."
    return listed_error(429, "PUBLIC_API_BILLING_LIMIT_EXCEEDED", text)
