"""A TCP proxy before PostgreSQL that counts the client's round trips, and can be slow or gone."""

import contextlib
import socket
import struct
import threading
import time
from types import TracebackType
from urllib.parse import urlsplit


class CountingProxy:
    """`queries` counts the client's simple-query messages: with that protocol each is one round trip.

    The server still gets a query that ends with `cut_after`, but the client loses its connection instead of the
    answer. With `reaches_server` below 1 the server gets only that part of the message.

    https://www.postgresql.org/docs/current/protocol-message-formats.html - a message is its type, four bytes of length
    that count themselves, and the content; only the first message of a connection has no type.
    """

    def __init__(
        self, url: str, *, delay: float = 0.0, cut_after: str | None = None, reaches_server: float = 1.0
    ) -> None:
        self._target = urlsplit(url)
        self._delay = delay
        self._cut_after = cut_after
        self._reaches_server = reaches_server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.queries: list[str] = []
        self.other_messages: list[str] = []

    @property
    def url(self) -> str:
        """The database's URL, by way of this proxy."""
        login, _, _ = self._target.netloc.rpartition("@")
        return self._target._replace(netloc=f"{login}@127.0.0.1:{self._listener.getsockname()[1]}").geturl()

    def forget(self) -> None:
        """Count from here."""
        self.queries.clear()
        self.other_messages.clear()

    def __enter__(self) -> "CountingProxy":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((self._target.hostname or "127.0.0.1", self._target.port or 5432))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
            threading.Thread(target=_copy, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        waiting, has_started = b"", False
        while chunk := _receive(client):
            waiting += chunk
            while (size := _message_size(waiting, typed=has_started)) and len(waiting) >= size:
                message, waiting = waiting[:size], waiting[size:]
                if has_started:
                    self._note(message)
                has_started = True
                time.sleep(self._delay)
                if self._cut_after is not None and self.queries and self.queries[-1].endswith(self._cut_after):
                    # Before the server has the message: its answer could otherwise be quicker than the cut.
                    client.shutdown(socket.SHUT_RDWR)
                    message = message[: int(len(message) * self._reaches_server)]
                server.sendall(message)
        # Closing alone would leave it open for as long as the other thread reads from it.
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _note(self, message: bytes) -> None:
        if message[:1] == b"Q":
            self.queries.append(message[5:-1].decode())
        else:
            self.other_messages.append(message[:1].decode())


def _message_size(waiting: bytes, *, typed: bool) -> int:
    """Of the first message in `waiting`; 0 where its length has not arrived yet."""
    start = 1 if typed else 0
    if len(waiting) < start + 4:
        return 0
    length: int = struct.unpack("!I", waiting[start : start + 4])[0]
    return start + length


def _copy(source: socket.socket, target: socket.socket) -> None:
    while chunk := _receive(source):
        try:
            target.sendall(chunk)
        except OSError:
            break
    target.close()


def _receive(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""
