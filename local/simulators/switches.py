"""What a test sees of any simulated account and does to it."""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol

from local.simulators.fault_queue import HoldingFaults


class _Counting(Protocol):
    @property
    def requests(self) -> Counter[str]:
        """By method and path."""


class _Gated(Protocol):
    @property
    def gate(self) -> _Counting:
        """What its callers meet."""


class _Faulty(Protocol):
    @property
    def faults(self) -> HoldingFaults[Any]:
        """Those that wait."""


class CountedCalls:
    """An account whose gate counts its calls."""

    @property
    def requests(self: _Gated) -> Counter[str]:
        """`GET /path` -> how often it was called, refused calls included."""
        return Counter(self.gate.requests)

    @property
    def calls(self: _Gated) -> int:
        """All requests, refused ones included."""
        return self.gate.requests.total()


class HeldRequests:
    """An account that has the fault `held`."""

    def release(self: _Faulty) -> None:
        """Requests held by the fault `held` go on."""
        self.faults.release()

    def wait_until_held(self: _Faulty, seconds: float = 10) -> None:
        """Until one more request is held."""
        self.faults.wait_until_held(seconds)
