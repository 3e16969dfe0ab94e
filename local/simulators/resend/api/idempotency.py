"""What an account remembers of idempotency keys."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from local.simulators.resend.wire import ResendApiError, ResendResponse

# [D] "Idempotency keys are kept in the system for 24 hours."
KEPT = timedelta(hours=24)


@dataclass
class _Entry:
    body: bytes
    at: datetime
    response: ResendResponse | None  # None: being worked on


class Keys:
    """Only what was sent is remembered [D]: "checks whether an email with the same idempotency key has already been
    sent in the last 24 hours". A request that failed leaves nothing behind (assumed from that sentence).
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], _Entry] = {}

    def once(self, path: str, key: str | None, body: bytes, work: Callable[[], ResendResponse]) -> ResendResponse:
        """`work`'s answer, or the one that it gave the first time; a key belongs to one endpoint [D]."""
        if key is None:
            return work()
        if not 1 <= len(key) <= 256:
            message = "Idempotency keys, if present, must have between 1 and 256 characters."
            raise ResendApiError(400, "invalid_idempotency_key", message)
        name = (path, key)
        known = self._claim(name, body)
        if known is not None:
            return known
        try:
            response = work()
        except BaseException:
            self._forget(name)
            raise
        with self._lock:
            self._entries[name].response = response
        return response

    def _claim(self, name: tuple[str, str], body: bytes) -> ResendResponse | None:
        now = self._now()
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or now - entry.at >= KEPT:
                self._entries[name] = _Entry(body, now, None)
                return None
            # Compared byte by byte (assumed; what passes this passes a comparison of what the bytes mean).
            if entry.body != body:
                message = (
                    "This idempotency key has been used with this HTTP method and endpoint within the last 24 hours,"
                    " but the request body was modified and doesn't match the original request."
                )
                raise ResendApiError(409, "invalid_idempotent_request", message)
            if entry.response is None:
                message = "There is another request in progress with the same idempotency key."
                raise ResendApiError(409, "concurrent_idempotent_requests", message)
            return entry.response

    def _forget(self, name: tuple[str, str]) -> None:
        with self._lock:
            self._entries.pop(name, None)
