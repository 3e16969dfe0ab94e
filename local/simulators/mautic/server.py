"""The HTTP server around the gate: loopback only, one thread a connection, HTTP/1.1 with keep-alive."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from local.simulators.mautic.gate import NoAnswerError
from local.simulators.mautic.wire import ApiError, Request, Response, generic_error

Answer = Callable[[Request], Response]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Answer) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.answer = answer
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

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

    def close_connections(self) -> None:
        with self._guard:
            left = list(self._open)
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one packet each; without this a keep-alive client waits 40 ms for an acknowledgement.
    disable_nagle_algorithm = True
    server: Server

    def _serve(self) -> None:
        try:
            response = self._response()
        except NoAnswerError:
            self.close_connection = True
            return
        raw = response.encoded()
        self.send_response(response.status)
        headers = {"Cache-Control": "no-cache, private", **response.headers}
        for name, value in {**headers, "Content-Type": response.content_type}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _response(self) -> Response:
        request = self._request()
        try:
            return self.server.answer(request)
        except (ApiError, NoAnswerError):
            raise
        except Exception:  # noqa: BLE001 - like PHP: whatever breaks inside is a JSON 500
            return Response(500, {"errors": [generic_error(500)]})

    def _request(self) -> Request:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        base_url = f"http://{self.headers.get('Host', '')}"
        return Request(self.command, unquote(path), query, dict(self.headers.items()), body, base_url)

    def __getattr__(self, name: str) -> Any:
        """The base class asks for do_GET, do_POST and so on; all methods are served alike."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the overridden method
        """Silent: paths can carry addresses."""
