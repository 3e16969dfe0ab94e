"""What is under every simulator: an HTTP server, loopback only, one thread a connection, HTTP/1.1 with keep-alive."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self, TypeAlias
from urllib.parse import parse_qsl, unquote

from local.serving import SELECT_SECONDS, stop_serving


@dataclass
class Incoming:
    """A request; a simulator's own class adds how its service reads the body, and what its gate finds out."""

    method: str
    path: str  # decoded, without the query
    raw_query: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str

    @property
    def target(self) -> str:
        """The path with the query."""
        return self.path + (f"?{self.raw_query}" if self.raw_query else "")

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    def header(self, name: str) -> str:
        """Empty where it was not sent."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


@dataclass(frozen=True)
class Outgoing:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class JsonAnswer:
    """What a service answers; bytes and nothing leave as they are, all else as JSON."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"

    def encoded(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body, separators=(",", ":"), ensure_ascii=False).encode()

    def outgoing(self) -> Outgoing:
        return Outgoing(self.status, {**self.headers, "Content-Type": self.content_type}, self.encoded())


class NoAnswerError(Exception):
    """The connection is closed without an answer."""


class HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Callable[[Incoming], Outgoing]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.answer = answer
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(SELECT_SECONDS,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Cuts the connections that are still open, as a service that goes down does."""
        stop_serving(self)
        self.server_close()
        with self._guard:
            left = list(self._open)
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the exercise."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one packet each; without this a keep-alive client waits 40 ms for an acknowledgement.
    disable_nagle_algorithm = True
    server: HttpServer

    def _serve(self) -> None:
        incoming = self._incoming()
        try:
            outgoing = self.server.answer(incoming)
        except NoAnswerError:
            self.close_connection = True
            return
        self.send_response_only(outgoing.status)
        # A simulator whose clock is moved says its own date.
        for name, value in {"Date": self.date_time_string(), **outgoing.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(outgoing.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(outgoing.body)

    def _incoming(self) -> Incoming:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        base_url = f"http://{self.headers.get('Host', '')}"
        return Incoming(self.command, unquote(path), query, dict(self.headers.items()), body, base_url)

    def __getattr__(self, name: str) -> Any:
        """The base class asks for do_GET, do_POST and so on; all methods are served alike."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the overridden method
        """Silent: paths can carry addresses."""


Observer: TypeAlias = "Callable[[ServedSimulator, Incoming, Outgoing], None]"


class ServedSimulator(ABC):
    """Answers from `start` to `stop`, or inside a `with`; port 0 is any free one."""

    observers: ClassVar[list[Observer]] = []
    """Each sees every exchange of every simulator."""

    _server: HttpServer | None = None

    def __init__(self, port: int = 0) -> None:
        self._port = port

    @abstractmethod
    def answer(self, incoming: Incoming) -> Outgoing:
        """Called by several threads at once. Raises NoAnswerError to close the connection instead."""

    def start(self) -> Self:
        self._server = HttpServer(self._port, self._answer_observed).start()
        return self

    def _answer_observed(self, incoming: Incoming) -> Outgoing:
        outgoing = self.answer(incoming)
        for observer in self.observers:
            observer(self, incoming, outgoing)
        return outgoing

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Of the server, without a path. Raises RuntimeError while it is not served."""
        if self._server is None:
            raise RuntimeError("the simulator is not running")
        return self._server.url
