"""Webhooks on their way: to every address that wants the event, tried again when it fails, and remembered."""

from __future__ import annotations

import http.client
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from local.simulators.bison.state import BisonHook, BisonState
from local.simulators.bison.webhooks import events
from local.simulators.bison.webhooks.events import EventOptions
from local.simulators.bison.wire import Json


@dataclass(frozen=True)
class HookDelivery:
    """One attempt; `status` is None when no answer came."""

    id: int
    event_id: int
    event: str
    workspace_id: int
    hook_id: int | None  # None: a test event
    url: str
    body: bytes
    status: int | None
    attempt: int
    at: datetime

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class Happened:
    """One event, whether or not a webhook was sent for it."""

    id: int
    event: str
    workspace_id: int
    payload: Json
    at: datetime
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))


class BisonWebhooks:
    """Delivers inside the call that caused the event; Bison itself has a queue, so the order is a simplification.

    That failed deliveries are tried again is [1]; three attempts, at once and byte for byte the same, are assumed.
    """

    def __init__(self, bison: BisonState, instance_url: str) -> None:
        self.bison = bison
        self.instance_url = instance_url
        self.timeout = 5.0
        self.attempts = 3
        self.deliveries: list[HookDelivery] = []
        self.happened: list[Happened] = []

    def publish(self, workspace_id: int, event: str, data: Json, options: EventOptions) -> None:
        """An event that nobody can subscribe to, because its name is unknown, goes to every hook."""
        workspace = self.bison.workspaces[workspace_id]
        plain = events.envelope(workspace, self.instance_url, event, data, EventOptions())
        happened = Happened(self.bison.next_id("event"), event, workspace_id, plain, self.bison.now())
        with self.bison.lock:
            self.happened.append(happened)
            hooks = [hook for hook in self.bison.hooks.values() if hook.workspace_id == workspace_id]
        if options.silent:
            return
        content = events.envelope(workspace, self.instance_url, event, data, options)
        for hook in hooks:
            if event in hook.events or event not in events.EVENTS:
                for body in events.bodies(content, options):
                    self._deliver(happened, hook, body)

    def send_test(self, workspace_id: int, event: str, url: str, content: Json) -> None:
        happened = Happened(0, event, workspace_id, content, self.bison.now())
        for body in events.bodies(content, EventOptions()):
            self._attempt(happened, None, url, body, 1)

    def redeliver(self, delivery: HookDelivery, times: int = 1, *, reserialised: bool = False) -> list[HookDelivery]:
        """The same body once more, to the same address, whatever was answered the first time."""
        body = events.reserialised(delivery.body) if reserialised else delivery.body
        happened = Happened(delivery.event_id, delivery.event, delivery.workspace_id, {}, self.bison.now())
        return [self._attempt(happened, delivery.hook_id, delivery.url, body, 1) for _ in range(times)]

    def _deliver(self, happened: Happened, hook: BisonHook, body: bytes) -> None:
        for attempt in range(1, self.attempts + 1):
            if self._attempt(happened, hook.id, hook.url, body, attempt).succeeded:
                return

    def _attempt(self, happened: Happened, hook_id: int | None, url: str, body: bytes, number: int) -> HookDelivery:
        status = post(url, body, self.timeout)
        made = HookDelivery(
            self.bison.next_id("delivery"),
            happened.id,
            happened.event,
            happened.workspace_id,
            hook_id,
            url,
            body,
            status,
            number,
            self.bison.now(),
        )
        with self.bison.lock:
            self.deliveries.append(made)
        return made


def post(url: str, body: bytes, timeout: float) -> int | None:
    """The receiver's status, or None without an answer; unsigned [C], and redirects are not followed (assumed)."""
    target = urlsplit(url)
    kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = kind(target.hostname or "", target.port, timeout=timeout)
    try:
        path = target._replace(scheme="", netloc="").geturl() or "/"
        connection.request("POST", path, body, {"Content-Type": "application/json", "User-Agent": "GuzzleHttp/7"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
