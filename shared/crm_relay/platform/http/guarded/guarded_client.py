"""Requests to addresses that users configure. The socket connects to the address that was checked, so that a DNS answer
that changes between look-up and connection makes no difference."""

import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse

from crm_relay.platform.clock import Deadline
from crm_relay.platform.http.guarded.addresses import IpAddress
from crm_relay.platform.http.guarded.bounded_socket import BoundedSocket, BoundedTlsSocket, TooMuchReceived
from crm_relay.platform.http.guarded.exchange import (
    OutgoingAnswer,
    OutgoingRequest,
    TargetNotConnected,
    TargetRefused,
    TargetSilent,
)
from crm_relay.platform.http.guarded.targets import STRICT, GuardRules, Target, read_target

SECONDS = 10.0
MOST_REDIRECTS = 3
MOST_BODY_BYTES = 64 * 1024
MOST_HEADER_BYTES = 32 * 1024
_MOST_ADDRESSES = 4
# 303 asks for a GET instead: another request than the one that was configured.
_REDIRECTS = frozenset({301, 302, 307, 308})

_OWN_HEADERS = frozenset({"host", "connection", "content-length", "transfer-encoding"})

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a name. Raises OSError where it has none."""


def resolve(host: str, port: int) -> Sequence[str]:
    """By the system, as `socket.create_connection` would."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


Connect = Callable[[socket.socket, IpAddress, int], None]
"""Connects a socket to a port of an address, and to nothing else. Raises OSError."""


def connect(opened: socket.socket, address: IpAddress, port: int) -> None:
    """By the system; the peer's address is compared once more."""
    opened.connect((str(address), port))
    if ip_address(opened.getpeername()[0]) != address:
        raise ConnectionAbortedError("connected to another address")


@dataclass(frozen=True)
class GuardedClient:
    """May be used by several threads: each request has a connection of its own. Nothing is read of the environment.

    `authorities`: a file of certificates in PEM instead of certifi's. `seconds` bounds a request with its redirects.
    """

    rules: GuardRules = STRICT
    resolve: Resolve = resolve
    connect: Connect = connect
    authorities: str | None = None
    seconds: float = SECONDS

    def send(self, request: OutgoingRequest) -> OutgoingAnswer:
        """The answer, with any status; a redirect within the host is followed, with the same method and body.

        Raises TargetRefused where the address, or the one that it leads to, may not be asked; TargetNotConnected where
        nothing was sent; TargetSilent where no whole answer came.
        """
        deadline = Deadline.after(self.seconds)
        target = read_target(request.url, self.rules)
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._ask(target, request, deadline)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or location is None:
                return answer
            target = target.redirected(location, self.rules)
        raise TargetRefused("too_many_redirects")

    def _ask(self, target: Target, request: OutgoingRequest, deadline: Deadline) -> OutgoingAnswer:
        addresses = self._addresses(target, deadline)
        connection = self._connected(target, addresses, deadline)
        kept = {name: text for name, text in request.headers.items() if name.lower() not in _OWN_HEADERS}
        try:
            connection.request(
                request.method,
                target.path,
                body=request.body,
                headers={**kept, "Host": target.authority, "Connection": "close"},
                preload_content=False,
                decode_content=False,
            )
            answer = connection.getresponse()
            headers = {name.lower(): text for name, text in answer.headers.items()}
            return OutgoingAnswer(answer.status, headers, _body(answer, connection.bounded))
        except (OSError, HTTPError, HTTPException, ValueError) as error:
            raise TargetSilent(_why_silent(error, deadline)) from None
        finally:
            connection.close()

    def _addresses(self, target: Target, deadline: Deadline) -> Sequence[IpAddress]:
        """Each of them may be asked: a name with a private address beside public ones is refused as a whole."""
        if target.address is not None:
            return [target.address]
        try:
            found = [ip_address(each) for each in _in_time(self.resolve, target, deadline)]
        except (OSError, UnicodeError):
            raise TargetNotConnected("no_such_name") from None
        except ValueError:
            raise TargetRefused("odd_address") from None
        if not found:
            raise TargetNotConnected("no_such_name")
        for each in found:
            target.check(each)
        return found[:_MOST_ADDRESSES]

    def _connected(self, target: Target, addresses: Sequence[IpAddress], deadline: Deadline) -> "_Pinned":
        """To the first of `addresses` that takes a connection."""
        reason = "not_connected"
        for address in addresses:
            connection = self._connection(target, address, deadline)
            try:
                connection.connect()
                return connection
            except (OSError, HTTPError) as error:
                connection.close()
                reason = "certificate" if isinstance(error, ssl.SSLCertVerificationError) else "not_connected"
        raise TargetNotConnected(reason)

    def _connection(self, target: Target, address: IpAddress, deadline: Deadline) -> "_Pinned":
        if target.scheme == "http":
            return _Pinned(target, address, self.connect, deadline)
        return _PinnedTls(target, address, self.connect, deadline, ssl_context=_tls(self.authorities))


class _Pinned(HTTPConnection):
    """Connects to one address, whatever its host is called."""

    bounded: BoundedSocket | BoundedTlsSocket

    def __init__(
        self, target: Target, address: IpAddress, connect_to: Connect, deadline: Deadline, **more: Any
    ) -> None:
        super().__init__(target.host, target.port, timeout=max(deadline.seconds_left, 0.001), **more)
        self._target, self._address, self._connect_to, self._deadline = target, address, connect_to, deadline

    def _new_conn(self) -> socket.socket:
        """In place of urllib3's, which would look the name up again."""
        family = socket.AF_INET if self._address.version == 4 else socket.AF_INET6
        opened = BoundedSocket(family, socket.SOCK_STREAM)
        try:
            opened.bound(self._deadline, MOST_HEADER_BYTES)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connect_to(opened, self._address, self._target.port)
            # The handshake is bounded as a whole by what is left now.
            opened.settimeout(max(self._deadline.seconds_left, 0.001))
        except BaseException:
            opened.close()
            raise
        return opened

    def connect(self) -> None:
        super().connect()
        if not isinstance(self.sock, BoundedSocket | BoundedTlsSocket):
            raise TypeError("a socket without bounds")
        self.bounded = self.sock
        self.bounded.bound(self._deadline, MOST_HEADER_BYTES)


class _PinnedTls(_Pinned, HTTPSConnection):
    """The same over TLS: the certificate has to be the one of the URL's host."""


@cache
def _tls(authorities: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authorities or certifi.where())
    context.sslsocket_class = BoundedTlsSocket
    return context


def _in_time(look_up: Resolve, target: Target, deadline: Deadline) -> Sequence[str]:
    """In a thread of its own: the system's look-up has no time-out. Raises TimeoutError."""
    found: list[Sequence[str]] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            found.append(look_up(target.host, target.port))
        except (OSError, ValueError) as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(deadline.seconds_left)
    if errors:
        raise errors[0]
    if not found:
        raise TimeoutError("the look-up took too long")
    return found[0]


def _body(answer: BaseHTTPResponse, bounded: BoundedSocket | BoundedTlsSocket) -> bytes:
    """The status is the answer: of a body that is too long, drips or breaks off, only what came is left out."""
    bounded.room = 2 * MOST_BODY_BYTES
    try:
        return answer.read(MOST_BODY_BYTES, decode_content=False)
    except (OSError, HTTPError, HTTPException, ValueError):
        return b""


def _why_silent(error: Exception, deadline: Deadline) -> str:
    if isinstance(error, TooMuchReceived):
        return "answer_too_large"
    is_late = isinstance(error, TimeoutError | ReadTimeoutError) or not deadline.seconds_left
    return "timed_out" if is_late else "cut_off"
