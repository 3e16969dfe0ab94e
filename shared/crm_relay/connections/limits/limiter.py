"""Permits of one connection in one run: a statement a block, and a wait between two requests."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from crm_relay.connections.limits import store
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Queryable
from crm_relay.providers.connectors.contract import Limit
from crm_relay.providers.connectors.failures import BudgetSpent, TimeUsedUp

_BLOCKS = (1, 9, 40, 50)
"""A look that finds nothing takes one permit; who goes on takes more at a time."""


@dataclass
class Limiter:
    """Of all limits that one connection meets.

    Permits live in the database, since every worker has a connection to it anyway and a block costs one statement; the
    coordination table would be a second service to be up.
    """

    db: Queryable
    limits: Sequence[Limit]
    deadline: Deadline
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    requests: int = 0
    _left: int = 0
    _blocks: int = 0
    _next_at: float = field(default=0.0)
    _used: dict[str, int] = field(default_factory=dict)

    def take(self, units: int = 1) -> None:
        """Wait for `units` permits; 0 is for a request whose permits were taken before.

        Raises BudgetSpent, and TimeUsedUp where the wait is longer than the run.
        """
        self.requests += bool(units)
        if not self.limits:
            return
        while self._left < units:
            self._take_block(units)
        self._wait()
        self._left -= units
        self._next_at += units * self._interval

    def slow_down(self, seconds: float) -> None:
        """What is left of the block is void, here and, by their next block, everywhere."""
        self._next_at = max(self._next_at, self.monotonic() + seconds)
        store.slow_down(self.db, [each.scope for each in self.limits], seconds)

    def pause(self, seconds: float) -> None:
        """Wait for something there. Raises TimeUsedUp where the run ends before."""
        if not self.deadline.allows(seconds):
            raise TimeUsedUp("what was asked for is not ready before the run ends")
        self.sleep(seconds)

    def finish(self) -> None:
        """What was not used is given back to the month."""
        if self._left and self._monthly_scopes:
            store.give_back(self.db, self._monthly_scopes, self._left)
        self._left = 0

    @property
    def _interval(self) -> float:
        return max(1 / each.per_second for each in self.limits)

    def _take_block(self, units: int) -> None:
        wanted = max(units, _BLOCKS[min(self._blocks, len(_BLOCKS) - 1)])
        known = self._room(self._used)
        size = wanted if known is None else max(1, min(wanted, known))
        rows = {row["scope"]: row for row in store.take_permits(self.db, self.limits, size)}
        now = self.monotonic()
        starts_in = [rows[each.scope]["ends_in"] - size / each.per_second for each in self.limits]
        room = self._room({scope: row["used_before"] for scope, row in rows.items()})
        granted = size if room is None else max(0, min(size, room))
        if granted < size:
            store.give_back(self.db, self._monthly_scopes, size - granted)
        if granted < units:
            raise BudgetSpent("the requests that the connection may make this month are used up")
        self._used = {scope: row["used_before"] + granted for scope, row in rows.items()}
        self._left += granted
        self._blocks += 1
        self._next_at = max(self._next_at, now + max(0.0, *starts_in))

    @property
    def _monthly_scopes(self) -> list[str]:
        return [each.scope for each in self.limits if each.monthly is not None]

    def _room(self, used: Mapping[str, int]) -> int | None:
        """How many requests the month still has; None where it has no limit, or nothing was heard of it yet."""
        rooms = [
            each.monthly - used[each.scope] for each in self.limits if each.monthly is not None and each.scope in used
        ]
        return min(rooms, default=None)

    def _wait(self) -> None:
        seconds = self._next_at - self.monotonic()
        if seconds <= 0:
            return
        if not self.deadline.allows(seconds):
            raise TimeUsedUp("the next request has to wait for longer than the run lasts")
        self.sleep(seconds)
