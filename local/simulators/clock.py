"""The time of a simulated account: the real one, or another, moved forward at will."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def real_time() -> datetime:
    return datetime.now(UTC)


class MovableClock:
    """`base` runs by itself, or stands where it always gives the same time."""

    def __init__(self, base: Callable[[], datetime] = real_time) -> None:
        self._base = base
        self._ahead = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._base() + self._ahead

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._ahead += timedelta(seconds=seconds)


def stamp(moment: datetime) -> str:
    """`2026-11-22T23:41:12.126Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
