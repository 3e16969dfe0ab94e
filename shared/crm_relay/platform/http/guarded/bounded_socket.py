"""Sockets with a deadline for everything that is done with them, and a limit of what they receive."""

import socket
import ssl
from typing import Any

from crm_relay.platform.clock import Deadline


class TooMuchReceived(OSError):
    """The other side said more than is read."""


class _Bounded(socket.socket):
    """Each wait ends with the deadline. `room`: how many bytes may still come."""

    deadline: Deadline
    room: int

    def bound(self, deadline: Deadline, room: int) -> None:
        """From now on."""
        self.deadline, self.room = deadline, room
        self.settimeout(max(deadline.seconds_left, 0.001))

    def _before(self) -> None:
        if not self.deadline.seconds_left:
            raise TimeoutError("the time is over")
        self.settimeout(self.deadline.seconds_left)

    def _count(self, received: int) -> int:
        self.room -= received
        if self.room < 0:
            raise TooMuchReceived("more was received than is read")
        return received


class BoundedSocket(_Bounded):
    """Of plain HTTP."""

    def recv_into(self, *arguments: Any, **more: Any) -> int:
        self._before()
        return self._count(super().recv_into(*arguments, **more))

    def sendall(self, *arguments: Any, **more: Any) -> None:
        self._before()
        super().sendall(*arguments, **more)


class BoundedTlsSocket(ssl.SSLSocket, _Bounded):
    """Of HTTPS; a handshake is bounded by the time-out of the socket below."""

    def recv_into(self, *arguments: Any, **more: Any) -> int:
        self._before()
        return self._count(super().recv_into(*arguments, **more))

    def send(self, *arguments: Any, **more: Any) -> int:
        self._before()
        return super().send(*arguments, **more)
