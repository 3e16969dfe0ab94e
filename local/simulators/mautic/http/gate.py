"""What every call passes before it reaches its handler: switches, rate limit, token, faults, the request log."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from local.simulators.http_server import NoAnswerError
from local.simulators.mautic.http import routes
from local.simulators.mautic.http.faults import Faults, MauticFault
from local.simulators.mautic.http.oauth import OAuth
from local.simulators.mautic.state import MauticData
from local.simulators.mautic.wire import MauticApiError, MauticRequest, MauticResponse, generic_error

HOUR = timedelta(hours=1)
OFFLINE = (
    "The site is currently offline due to encountering an error. If the problem persists, please contact the "
    "system administrator. System administrators, check server logs for errors."
)
DISABLED = "API disabled. You need to enable the API in the API settings of Mautic's Configuration."


@dataclass(frozen=True)
class MauticExchange:
    method: str
    path: str  # with the query
    status: int  # 0 when no answer was given
    items: int | None  # number of items in a batch body
    at: datetime


class MauticGate:
    def __init__(self, mautic: MauticData, oauth: OAuth, faults: Faults) -> None:
        self.mautic = mautic
        self.oauth = oauth
        self.faults = faults
        self.requests: list[MauticExchange] = []
        self.used = 0
        self.hour_began = mautic.now()
        self._lock = threading.Lock()

    def pass_through(self, request: MauticRequest) -> MauticResponse:
        """Runs the request and logs it; raises NoAnswerError where a fault swallows the answer."""
        at = self.mautic.now()
        with self._lock:
            self.mautic.busy += 1
        status = 0
        try:
            response = self._with_faults(request)
            status = response.status
            return response
        finally:
            with self._lock:
                self.mautic.busy -= 1
                self.requests.append(MauticExchange(request.method, request.target, status, request.items, at))

    def _with_faults(self, request: MauticRequest) -> MauticResponse:
        line = f"{request.method} {request.path}?{request.raw_query}"
        fault = self.faults.take(line, request.body)
        if fault is None:
            return self._answer(request)
        early = self._before(fault)
        if early is not None:
            return early
        request.fail_after_items = fault.after_items if fault.kind == "500_after_partial" else None
        response = self._answer(request)
        if fault.kind == "drop":
            raise NoAnswerError
        if fault.kind == "500_after_partial":
            return MauticApiError(500, [generic_error(500)]).response()
        return response

    def _before(self, fault: MauticFault) -> MauticResponse | None:
        if fault.kind in {"slow", "hang"}:
            time.sleep(fault.seconds)
        if fault.kind == "hang":
            raise NoAnswerError
        if fault.kind == "expire_token":
            self.oauth.expire_all()
        if fault.kind == "500_before":
            return MauticApiError(500, [generic_error(500)]).response()
        return self._too_many(self.mautic.rate_limit or 5).response() if fault.kind == "429" else None

    def _answer(self, request: MauticRequest) -> MauticResponse:
        try:
            return self._checked(request)
        except MauticApiError as error:
            return error.response()

    def _checked(self, request: MauticRequest) -> MauticResponse:
        if self.mautic.database_down:
            # The token endpoint too (recorded: 121_db_down_token).
            raise MauticApiError(500, [{"message": OFFLINE, "code": 500, "type": None}])
        if request.path == "/oauth/v2/token":
            return self.oauth.issue(request)
        if not request.path.startswith("/api/"):
            return routes.call(self.mautic, request)
        if not self.mautic.api_enabled:
            raise MauticApiError(403, [{"message": DISABLED, "code": 403, "type": "api_disabled"}])
        self.oauth.check(request)
        if request.path.startswith(self.mautic.forbidden):
            # As of any area that a role may not enter (recorded: 66_add_to_unpublished_segment).
            text = "You do not have access to the requested area/action."
            raise MauticApiError(403, [{"code": 403, "message": text, "details": []}])
        headers = self._rate()
        response = self._routed(request)
        response.headers = {"Mautic-Version": "5.1.1", **headers, **response.headers}
        return response

    def _routed(self, request: MauticRequest) -> MauticResponse:
        try:
            return routes.call(self.mautic, request)
        except MauticApiError as error:
            return error.response()

    def _rate(self) -> dict[str, str]:
        """Off by default; there is never a Retry-After (recorded: 120_rate_limit_exceeded)."""
        limit = self.mautic.rate_limit
        if not limit:
            return {}
        if self.mautic.now() - self.hour_began >= HOUR:
            self.restart_hour()
        with self._lock:
            self.used += 1
        if self.used > limit:
            raise self._too_many(limit)
        return self._rate_headers(limit, limit - self.used)

    def restart_hour(self) -> None:
        self.used, self.hour_began = 0, self.mautic.now()

    def _too_many(self, limit: int) -> MauticApiError:
        text = f"You exceeded the rate limit of {limit} API calls per hour."
        errors = [{"code": 429, "message": text, "details": []}]
        return MauticApiError(429, errors, self._rate_headers(limit, 0))

    def _rate_headers(self, limit: int, remaining: int) -> dict[str, str]:
        reset = int((self.hour_began + HOUR).timestamp())
        numbers = {"Limit": limit, "Remaining": remaining, "Reset": reset}
        return {f"X-RateLimit-{name}": str(value) for name, value in numbers.items()}
