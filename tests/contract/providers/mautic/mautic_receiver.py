"""A webhook receiver that answers what a test tells it to and keeps what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Delivery:
    headers: list[tuple[str, str]]
    raw: bytes

    @property
    def events(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = json.loads(self.raw)
        return found


@dataclass
class HookReceiver:
    url: str = ""
    status: int = 200
    deliveries: list[Delivery] = field(default_factory=list)

    def only(self, kind: str) -> Any:
        """The payload of the one delivered event of this kind."""
        found = [event for d in self.deliveries for event in d.events.get(kind, [])]
        assert len(found) == 1, f"{kind}: {len(found)} of {[list(d.events) for d in self.deliveries]}"
        return found[0]

    @property
    def kinds(self) -> list[str]:
        return [kind.removeprefix("mautic.") for delivery in self.deliveries for kind in delivery.events]


@contextmanager
def receiver() -> Iterator[HookReceiver]:
    seen = HookReceiver()

    class ReceiverHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            seen.deliveries.append(Delivery(list(self.headers.items()), raw))
            self.send_response(seen.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), ReceiverHandler)
    seen.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
