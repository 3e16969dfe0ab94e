"""A Slack channel behind an incoming webhook: it answers `ok`, and keeps what was posted.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

import json
import threading
from typing import Any

from local.simulators.http_server import Incoming, Outgoing, ServedSimulator

_PATH = "/services/T00000000/B00000000/simulated"
_TEXT = {"Content-Type": "text/html"}  # as Slack answers: plain words under this type
_JSON = {"Content-Type": "application/json"}


class SlackSimulator(ServedSimulator):
    """`GET /_simulator/messages` shows the messages to another process."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self._lock = threading.Lock()
        self._messages: list[dict[str, Any]] = []

    @property
    def webhook_url(self) -> str:
        return self.url + _PATH

    @property
    def messages(self) -> list[dict[str, Any]]:
        """As they were posted, in order."""
        with self._lock:
            return list(self._messages)

    def answer(self, incoming: Incoming) -> Outgoing:
        if incoming.path == "/_simulator/messages":
            return Outgoing(200, _JSON, json.dumps({"messages": self.messages}).encode())
        if incoming.path != _PATH:
            return Outgoing(404, _TEXT, b"no_service")
        return self._take(incoming.body)

    def _take(self, body: bytes) -> Outgoing:
        """A message needs a text or blocks (documented, not recorded)."""
        try:
            message = json.loads(body)
        except ValueError:
            return Outgoing(400, _TEXT, b"invalid_payload")
        if not isinstance(message, dict) or not (message.get("text") or message.get("blocks")):
            return Outgoing(400, _TEXT, b"no_text")
        with self._lock:
            self._messages.append(message)
        return Outgoing(200, _TEXT, b"ok")
