"""Faults waiting for the requests that they are aimed at."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar


@dataclass
class AimedFault:
    """Hits the next `times` requests whose "METHOD /path?query" contains `match`, after `skip` of them that pass.

    `kinds` is what a simulator knows.

    A simulator's own class adds its details, and says what each kind does.
    """

    kinds: ClassVar[frozenset[str]]

    match: str
    kind: str
    times: int = 1
    skip: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if self.kind not in self.kinds:
            raise ValueError(f"unknown kind of fault: {self.kind}")

    def hits(self, request_line: str, body: bytes) -> bool:
        del body
        return self.match in request_line


F = TypeVar("F", bound=AimedFault)


class FaultQueue(Generic[F]):
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[F] = []

    def add(self, fault: F) -> None:
        with self._lock:
            self._pending.append(fault)

    def take(self, request_line: str, body: bytes = b"") -> F | None:
        """The first fault that hits this request, counted as used."""
        with self._lock:
            for fault in self._pending:
                if fault.hits(request_line, body):
                    if fault.skip:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    if fault.times <= 0:
                        self._pending.remove(fault)
                    return fault
        return None

    def clear(self) -> None:
        with self._lock:
            self._pending.clear()

    @property
    def pending(self) -> int:
        with self._lock:
            return len(self._pending)


class HoldingFaults(FaultQueue[F]):
    """With requests that are held until `release`."""

    def __init__(self) -> None:
        super().__init__()
        self._gate = threading.Event()
        self._waiting = threading.Semaphore(0)

    def hold(self) -> None:
        """Called for a request that is held."""
        # Before it is reported as waiting: a release after that means this gate.
        gate = self._gate
        self._waiting.release()
        gate.wait(30)

    def release(self) -> None:
        """Requests that are held go on; those held from now on wait again."""
        self._gate.set()
        self._gate = threading.Event()

    def wait_until_held(self, seconds: float) -> None:
        """Until one more request is held."""
        if not self._waiting.acquire(timeout=seconds):
            raise TimeoutError("no request is held")
