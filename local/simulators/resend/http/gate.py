"""What every call passes before it reaches its handler: the edge, faults, the key, the limit."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from local.simulators.gates import ServiceGate
from local.simulators.http_server import NoAnswerError
from local.simulators.resend.api import domains, hooks, receiving, sent
from local.simulators.resend.api.sending import BatchSending
from local.simulators.resend.http.faults import ResendFault, ResendFaults, SimulatedRateLimit
from local.simulators.resend.state import ResendAccount
from local.simulators.resend.wire import ResendApiError, ResendRequest, ResendResponse, edge_page

Handler = Callable[[ResendAccount, ResendRequest], ResendResponse]
HandlerOfOne = Callable[[ResendAccount, ResendRequest, str], ResendResponse]

_LISTS: dict[tuple[str, str], Handler] = {
    ("GET", "/webhooks"): hooks.list_all,
    ("POST", "/webhooks"): hooks.post,
    ("GET", "/emails"): sent.list_all,
    ("GET", "/emails/receiving"): receiving.list_all,
    ("GET", "/domains"): domains.list_all,
}
_ONE: dict[tuple[str, str, str], HandlerOfOne] = {
    ("GET", "/emails/receiving/", ""): receiving.get,
    ("GET", "/emails/", ""): sent.get,
    ("GET", "/domains/", ""): domains.get,
    ("GET", "/webhooks/", ""): hooks.get,
    ("PATCH", "/webhooks/", ""): hooks.patch,
    ("DELETE", "/webhooks/", ""): hooks.delete,
    ("POST", "/webhooks/", "/signing-secret/rotate"): hooks.rotate,
}
_SENDING = ("/emails", "/emails/batch")


class ResendGate(ServiceGate[ResendRequest, ResendResponse]):
    def __init__(
        self, account: ResendAccount, sending: BatchSending, faults: ResendFaults, limit: SimulatedRateLimit
    ) -> None:
        self.account = account
        self.sending = sending
        self.faults = faults
        self.limit = limit
        self.requests: Counter[str] = Counter()
        self._lock = threading.Lock()

    def pass_through(self, request: ResendRequest) -> ResendResponse:
        """Raises NoAnswerError where a fault swallows the answer."""
        with self._lock:
            self.requests[f"{request.method} {request.path}"] += 1
        if not request.header("User-Agent"):
            # [D] "a 403 error with error code 1010"; the body is the edge's own.
            return ResendResponse(403, b"error code: 1010", content_type="text/plain; charset=UTF-8")
        return self.answered(request)

    def refused(self, request: ResendRequest, error: Exception) -> ResendResponse:
        del request
        return (error if isinstance(error, ResendApiError) else _broken()).response()

    def with_faults(self, request: ResendRequest) -> ResendResponse:
        fault = self.faults.take(f"{request.method} {request.target}", request.body)
        if fault is None:
            return self._checked(request)
        early = self._before(fault, request)
        if early is not None:
            return early
        response = self._checked(request)
        if fault.kind == "cut_after":
            raise NoAnswerError
        if fault.kind == "500_after":
            raise _broken()
        return ResendResponse(200, response.encoded()[:-7]) if fault.kind == "garbled_after" else response

    def _before(self, fault: ResendFault, request: ResendRequest) -> ResendResponse | None:
        if fault.kind == "cut_before":
            raise NoAnswerError
        if fault.kind == "500_before":
            raise _broken()
        if fault.kind in {"502_page", "400_page"}:
            return edge_page(int(fault.kind[:3]))
        if fault.kind == "429":
            raise _too_many({"retry-after": str(fault.retry_after)})
        if fault.kind == "401":
            raise _bad_key()
        if fault.kind == "slow":
            request.pause = lambda: time.sleep(fault.seconds)
        if fault.kind == "held":
            request.pause = self.faults.hold
        return None

    def _checked(self, request: ResendRequest) -> ResendResponse:
        full_access = self._authenticate(request)
        allowed, headers = self.limit.count(self.account.clock.now())
        if not allowed:
            raise _too_many(headers)
        response = self._routed(request, full_access)
        # The same answer may be kept for a repetition, so it stays as it is.
        return ResendResponse(response.status, response.body, {**response.headers, **headers}, response.content_type)

    def _authenticate(self, request: ResendRequest) -> bool:
        """Whether the key may do everything."""
        kind, _, key = request.header("Authorization").partition(" ")
        if kind != "Bearer" or not key:
            raise ResendApiError(401, "missing_api_key", "Missing API key in the authorization header.")
        if key in self.account.full_access_keys:
            return True
        if key in self.account.sending_keys:
            return False
        raise _bad_key()

    def _routed(self, request: ResendRequest, full_access: bool) -> ResendResponse:
        if request.path in _SENDING and request.method == "POST":
            return (self.sending.one if request.path == "/emails" else self.sending.batch)(request)
        if not full_access:
            raise ResendApiError(401, "restricted_api_key", "This API key is restricted to only send emails.")
        if request.pause is not None:
            request.pause()
        if (handler := _LISTS.get((request.method, request.path))) is not None:
            return handler(self.account, request)
        return self._one(request)

    def _one(self, request: ResendRequest) -> ResendResponse:
        for (method, start, end), handler in _ONE.items():
            middle = request.path.removeprefix(start).removesuffix(end)
            if request.path == f"{start}{middle}{end}" and middle and "/" not in middle and method == request.method:
                return handler(self.account, request, middle)
        if request.path in {*_SENDING, *(path for _, path in _LISTS)}:
            raise ResendApiError(405, "method_not_allowed", "Method is not allowed for the requested path.")
        raise ResendApiError(404, "not_found", "The requested endpoint does not exist.")


def _bad_key() -> ResendApiError:
    return ResendApiError(403, "invalid_api_key", "API key is invalid")


def _broken() -> ResendApiError:
    return ResendApiError(500, "application_error", "An unexpected error occurred.")


def _too_many(headers: dict[str, str]) -> ResendApiError:
    message = "Too many requests. Please limit the number of requests per second."
    return ResendApiError(429, "rate_limit_exceeded", message, headers)
