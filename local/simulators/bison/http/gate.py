"""What every call passes before it reaches its handler: the count, faults, the limit, the token."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from local.simulators.bison.context import BisonContext
from local.simulators.bison.http import routes
from local.simulators.bison.http.faults import BisonFault, BisonFaults, Form
from local.simulators.bison.wire import BisonApiError, BisonRequest, BisonResponse, Json, page_for_a_browser
from local.simulators.gates import ServiceGate
from local.simulators.http_server import NoAnswerError


@dataclass(frozen=True)
class BisonExchange:
    method: str
    path: str  # with the query
    status: int  # 0 when no answer was given
    workspace_id: int  # whose data was asked for; 0 without a valid token
    at: datetime


class BisonGate(ServiceGate[BisonRequest, BisonResponse]):
    def __init__(self, context: BisonContext, faults: BisonFaults) -> None:
        self.context = context
        self.faults = faults
        self.exchanges: list[BisonExchange] = []
        self.requests: Counter[str] = Counter()
        self._lock = threading.Lock()

    def pass_through(self, request: BisonRequest) -> BisonResponse:
        """Answers, counts and logs; raises NoAnswerError where a fault swallows the answer."""
        at, status = self.context.bison.now(), 0
        with self._lock:
            self.requests[routes.name(request)] += 1
        try:
            response = self.answered(request)
            status = response.status
            return response
        finally:
            with self._lock:
                self.exchanges.append(BisonExchange(request.method, request.target, status, request.workspace_id, at))

    def forget(self) -> None:
        with self._lock:
            self.requests.clear()
            self.exchanges.clear()

    def refused(self, request: BisonRequest, error: Exception) -> BisonResponse:
        return (error if isinstance(error, BisonApiError) else server_error()).response(request)

    def with_faults(self, request: BisonRequest) -> BisonResponse:
        fault = self.faults.take(f"{request.method} {request.path}?{request.raw_query}")
        if fault is None:
            return self._checked(request)
        early = self._before(fault)
        if early is not None:
            return early
        response = self._checked(request)
        if fault.kind == "drop":
            raise NoAnswerError
        if fault.kind == "500_after":
            raise server_error()
        return response

    def _before(self, fault: BisonFault) -> BisonResponse | None:
        if fault.kind in {"slow", "hang"}:
            time.sleep(fault.seconds)
        if fault.kind == "hang":
            raise NoAnswerError
        if fault.kind == "500_before":
            raise server_error()
        if fault.kind == "401":
            raise unauthenticated()
        if fault.kind == "429":
            raise too_many(fault.retry_after, fault.form)
        if fault.kind == "502_html":
            return BisonResponse(502, page_for_a_browser("502 Bad Gateway"), content_type="text/html")
        return None

    def _checked(self, request: BisonRequest) -> BisonResponse:
        limit = self.faults.exceeded()
        if limit is not None:
            raise too_many(limit.retry_after, limit.form)
        if not request.path.startswith("/api/"):
            return BisonResponse(200, page_for_a_browser("Log in"), content_type="text/html; charset=utf-8")
        self._authenticate(request)
        return routes.call(self.context, request)

    def _authenticate(self, request: BisonRequest) -> None:
        kind, _, text = request.header("Authorization").partition(" ")
        token = self.context.bison.tokens.get(text.strip()) if kind.casefold() == "bearer" else None
        if token is None:
            raise unauthenticated()
        request.super_admin = token.workspace_id is None
        request.workspace_id = token.workspace_id or self.context.bison.current_workspace_id


def unauthenticated() -> BisonApiError:
    """Laravel's word for no token and for a wrong one [C]."""
    return BisonApiError(401, "Unauthenticated.")


def server_error() -> BisonApiError:
    """Laravel's, out of debug mode (documented, not recorded)."""
    return BisonApiError(500, "Server Error")


def too_many(retry_after: int, form: Form) -> BisonApiError:
    headers = {"Retry-After": str(retry_after)} if form in {"header", "both"} else {}
    extra: Json = {"retry_after": retry_after} if form in {"json", "both"} else {}
    return BisonApiError(429, "Too Many Attempts.", headers=headers, extra=extra)
