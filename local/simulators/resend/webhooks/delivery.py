"""Webhooks on their way: signed as Svix does, tried again on its schedule, in any order and any number of times."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from local.simulators.clock import stamp
from local.simulators.resend.state import ResendAccount, ResendHook
from local.simulators.resend.wire import Json

# [D] Seconds between an attempt's failure and the next attempt; after the last one Svix gives up.
SCHEDULE = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)


@dataclass(frozen=True)
class Attempt:
    """`status` is None when no answer came."""

    svix_id: str
    hook_id: str
    type: str
    headers: dict[str, str]
    body: bytes
    status: int | None
    at: datetime

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass
class HookMessage:
    """One event, with one id for all webhooks and attempts [X]. `due`: webhook -> when it is tried next."""

    svix_id: str
    type: str
    body: bytes
    at: datetime
    due: dict[str, datetime] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def content(self) -> Json:
        found: Json = json.loads(self.body)
        return found


def signature(secret: str, svix_id: str, timestamp: str, body: bytes) -> str:
    """One entry of the header svix-signature [X]."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{svix_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def headers_for(svix_id: str, body: bytes, signing: Iterable[str], at: datetime) -> dict[str, str]:
    """`signing`: each secret that signs; entries are separated by a blank [X]."""
    timestamp = str(int(at.timestamp()))
    return {
        "svix-id": svix_id,
        "svix-timestamp": timestamp,
        "svix-signature": " ".join(signature(secret, svix_id, timestamp, body) for secret in signing),
        "content-type": "application/json",
        "user-agent": "Svix-Webhooks/1.0",
    }


class ResendWebhooks:
    """Nothing is on its way until somebody calls `flush` or `deliver`; `live` of the simulator calls `flush` itself."""

    def __init__(self, account: ResendAccount) -> None:
        self.account = account
        self.timeout = 15.0  # [X]
        self.messages: list[HookMessage] = []
        self.attempts: list[Attempt] = []
        self._flushing = threading.Lock()

    def publish(self, event: str, data: Json, at: datetime | None = None) -> HookMessage:
        """To every enabled webhook that asked for it. `created_at` is when the event happened, `at` or now."""
        now = self.account.clock.now()
        body = json.dumps({"type": event, "created_at": stamp(at or now), "data": data}, separators=(",", ":")).encode()
        message = HookMessage(f"msg_{secrets.token_hex(13)}", event, body, now)
        with self.account.lock:
            wanted = [
                hook.id for hook in self.account.hooks.values() if hook.status == "enabled" and event in hook.events
            ]
            message.due = dict.fromkeys(wanted, now)
            self.messages.append(message)
        return message

    def flush(self) -> list[Attempt]:
        """Tries everything that is due, oldest first; what fails is due again by the schedule."""
        made = []
        with self._flushing:
            now = self.account.clock.now()
            with self.account.lock:
                due = [
                    (message, hook) for message in self.messages for hook, when in message.due.items() if when <= now
                ]
            for message, hook_id in due:
                hook = self.account.hooks.get(hook_id)
                attempt = None if hook is None or hook.status != "enabled" else self._attempt(message, hook)
                self._note(message, hook_id, attempt)
                made += [attempt] if attempt else []
        return made

    def deliver(self, messages: Iterable[HookMessage]) -> list[Attempt]:
        """Once each, in this order, whatever was answered before: an early one, a late one, a replay [D].

        A replay has the same svix-id and a fresh timestamp. What succeeds is not due any more.
        """
        made = []
        for message in messages:
            with self.account.lock:
                hooks = [hook for hook in self.account.hooks.values() if message.type in hook.events]
            for hook in hooks:
                attempt = self._attempt(message, hook)
                if attempt.succeeded:
                    with self.account.lock:
                        message.due.pop(hook.id, None)
                made.append(attempt)
        return made

    def _attempt(self, message: HookMessage, hook: ResendHook) -> Attempt:
        now = self.account.clock.now()
        headers = headers_for(message.svix_id, message.body, hook.secrets_at(now), now)
        status = post(hook.url, message.body, headers, self.timeout)
        attempt = Attempt(message.svix_id, hook.id, message.type, headers, message.body, status, now)
        with self.account.lock:
            self.attempts.append(attempt)
        return attempt

    def _note(self, message: HookMessage, hook_id: str, attempt: Attempt | None) -> None:
        with self.account.lock:
            message.due.pop(hook_id, None)
            if attempt is None or attempt.succeeded:
                return
            failures = message.failures[hook_id] = message.failures.get(hook_id, 0) + 1
            if failures <= len(SCHEDULE):
                message.due[hook_id] = attempt.at + timedelta(seconds=SCHEDULE[failures - 1])


def post(url: str, body: bytes, headers: dict[str, str], timeout: float) -> int | None:
    """The receiver's status, or None without an answer; a redirect is a failure [X]."""
    target = urlsplit(url)
    kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = kind(target.hostname or "", target.port, timeout=timeout)
    try:
        connection.request("POST", target._replace(scheme="", netloc="").geturl() or "/", body, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
