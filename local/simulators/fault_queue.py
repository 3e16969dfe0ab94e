"""Faults waiting for the requests that they are aimed at."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar


@dataclass
class AimedFault:
    """Hits the next `times` requests whose "METHOD /path?query" contains `match`; `kinds` is what a simulator knows.

    A simulator's own class adds its details, and says what each kind does.
    """

    kinds: ClassVar[frozenset[str]]

    match: str
    kind: str
    times: int = 1

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
