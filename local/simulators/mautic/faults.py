"""Things that go wrong on purpose: errors, lost answers, slow and hanging calls."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["500_before", "500_after_partial", "429", "hang", "drop", "expire_token", "slow"]
KINDS = frozenset(get_args(Kind))


@dataclass
class Fault:
    """Hits the next `times` requests whose "METHOD /path?query" contains `match` and whose body contains `in_body`.

    500_before: nothing is written. 500_after_partial: `after_items` items of a batch are written, then 500 (a single
    call is written whole). 429: with the headers of the rate limiter. hang: no answer for `seconds`, nothing is
    written, the connection closes. drop: everything is written, but the answer never arrives. expire_token: every
    token has expired. slow: the answer takes `seconds` longer.
    """

    match: str
    kind: Kind
    times: int = 1
    after_items: int = 3
    seconds: float = 5.0
    in_body: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault: {self.kind}")


class Faults:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._pending.append(fault)

    def take(self, request_line: str, body: bytes = b"") -> Fault | None:
        with self._lock:
            for fault in self._pending:
                if fault.match in request_line and fault.in_body.encode() in body:
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
