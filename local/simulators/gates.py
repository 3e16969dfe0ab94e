"""What the gates of all simulated services do alike: a refusal is an answer, and every call is noted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from local.simulators.call_log import CallLog
from local.simulators.http_server import Incoming, NoAnswerError


class _Answer(Protocol):
    status: int


Request = TypeVar("Request", bound=Incoming)
Response = TypeVar("Response", bound=_Answer)


class ServiceGate(ABC, Generic[Request, Response]):
    """What a call passes before it reaches its handler."""

    def answered(self, request: Request) -> Response:
        """Raises NoAnswerError where a fault swallows the answer; whatever else breaks inside is a refusal."""
        try:
            return self.with_faults(request)
        except NoAnswerError:
            raise
        except Exception as error:  # noqa: BLE001 - as a service does it
            return self.refused(request, error)

    @abstractmethod
    def with_faults(self, request: Request) -> Response:
        """Raises an error of the service to refuse, NoAnswerError to close the connection."""

    @abstractmethod
    def refused(self, request: Request, error: Exception) -> Response:
        """The service's own error as it says it, any other as its 500."""


class LoggedGate(CallLog, ServiceGate[Request, Response]):
    """One that notes each call with its status once it is answered."""

    def pass_through(self, request: Request) -> Response:
        """Raises NoAnswerError where a fault swallows the answer."""
        status = 0
        try:
            response = self.answered(request)
            status = response.status
        finally:
            self.note(request.method, request.path, status)
        return response
