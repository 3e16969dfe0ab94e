"""Puts TLS before a PostgreSQL that was built without it, answering the client's SSLRequest as a server would.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
"""

import contextlib
import socket
import ssl
import threading
from types import TracebackType
from urllib.parse import urlsplit

from tests.support.platform.certificates import ServerCertificate

_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)


class TlsProxy:
    """Offers TLS and takes plain text too, as Supabase does; `encrypted` says of each connection which one it was."""

    def __init__(self, url: str, certificate: ServerCertificate) -> None:
        self._target = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certificate, certificate.key)
        self.encrypted: list[bool] = []

    def url(self, host: str = "127.0.0.1") -> str:
        """The database's URL, by way of this proxy."""
        login, _, _ = self._target.netloc.rpartition("@")
        return self._target._replace(netloc=f"{login}@{host}:{self._listener.getsockname()[1]}").geturl()

    def __enter__(self) -> "TlsProxy":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            is_encrypted = client.recv(8, socket.MSG_PEEK) == _SSL_REQUEST
            if is_encrypted:
                client.recv(8)
                client.sendall(b"S")
                client = self._context.wrap_socket(client, server_side=True)
            self.encrypted.append(is_encrypted)
            server = socket.create_connection((self._target.hostname or "", self._target.port or 5432))
            threading.Thread(target=_copy, args=(server, client), daemon=True).start()
            _copy(client, server)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
