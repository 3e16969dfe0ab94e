"""Builds what a function depends on once per Lambda execution environment, on first use."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerEnvironment(Generic[T]):
    """Calls `build` on first use and keeps its result for `max_age` seconds.

    Lambda gives one request at a time to an execution environment, which has one thread; the local edge gives every
    environment a thread of its own. So what is kept per thread is what Lambda keeps per environment. The age bounds how
    long a rotated secret stays in use.
    """

    def __init__(self, build: Callable[[], T], *, max_age: float = 300.0) -> None:
        self._build = build
        self._max_age = max_age
        self._kept = threading.local()

    def __call__(self) -> T:
        kept: tuple[T, float] | None = getattr(self._kept, "value", None)
        if kept is None or time.monotonic() - kept[1] > self._max_age:
            kept = (self._build(), time.monotonic())
            self._kept.value = kept
        return kept[0]

    def forget(self) -> None:
        """Drop what this thread has, so that the next use builds again."""
        self._kept.value = None
