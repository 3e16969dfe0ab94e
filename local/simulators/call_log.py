"""What a simulator was asked, in order."""

from __future__ import annotations

import threading
from collections import Counter


class CallLog:
    """`log`: method and path of every call, and the status that was answered (0: none), in order."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str, int]] = []
        self._lock = threading.Lock()

    @property
    def requests(self) -> Counter[str]:
        """`GET /path` -> how often it was called."""
        with self._lock:
            return Counter(f"{method} {path}" for method, path, _ in self.log)

    def note(self, method: str, path: str, status: int) -> None:
        with self._lock:
            self.log.append((method, path, status))
