"""What every call passes before it reaches its handler: faults, the token, the limits."""

from __future__ import annotations

import time
from email.utils import format_datetime

from local.simulators.airtable import formulas
from local.simulators.airtable.api import meta, oauth, records, writing
from local.simulators.airtable.http.faults import (
    AirtableFault,
    AirtableFaults,
    AirtableLimits,
    month_is_spent,
    too_many,
)
from local.simulators.airtable.state import AirtableState, SimulatedGrant, SimulatedTable
from local.simulators.airtable.wire import (
    AirtableApiError,
    AirtableRequest,
    AirtableResponse,
    bare_error,
    edge_page,
    no_permission,
)
from local.simulators.gates import LoggedGate
from local.simulators.http_server import NoAnswerError

_READS = {"GET"}


class AirtableGate(LoggedGate[AirtableRequest, AirtableResponse]):
    """What a call passes, and the log of all."""

    def __init__(self, account: AirtableState, faults: AirtableFaults, limits: AirtableLimits) -> None:
        super().__init__()
        self.account = account
        self.faults = faults
        self.limits = limits

    def pass_through(self, request: AirtableRequest) -> AirtableResponse:
        """With the date of the simulator's own clock."""
        response = super().pass_through(request)
        date = format_datetime(self.account.clock.now(), usegmt=True)
        return AirtableResponse(
            response.status, response.body, {**response.headers, "Date": date}, response.content_type
        )

    def refused(self, request: AirtableRequest, error: Exception) -> AirtableResponse:
        del request
        return (error if isinstance(error, AirtableApiError) else _broken()).response()

    def with_faults(self, request: AirtableRequest) -> AirtableResponse:
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
        if fault.kind == "truncated":
            whole = response.encoded()
            return AirtableResponse(response.status, whole[: len(whole) // 2])
        return response

    def _before(self, fault: AirtableFault, request: AirtableRequest) -> AirtableResponse | None:
        if fault.kind in {"200_page", "502_page"}:
            return edge_page(int(fault.kind[:3]))
        if fault.kind == "hang":
            time.sleep(fault.seconds)
        if fault.kind in {"cut_before", "hang"}:
            raise NoAnswerError
        error = _errors(fault.kind)
        if error is not None:
            if fault.kind == "429":
                self.limits.lock(_base_id(request) or "", self.account.clock.now())
            raise error
        if fault.kind == "held":
            request.pause = self.faults.hold
        request.partial = fault.items if fault.kind == "partial_write" else None
        request.shift = fault.items if fault.kind == "shifted_page" else 0
        request.repeat = fault.kind == "duplicate_page"
        return None

    def _checked(self, request: AirtableRequest) -> AirtableResponse:
        if request.path == "/oauth2/v1/authorize" and request.method == "GET":
            return oauth.authorize(self.account, request)
        if request.path == "/oauth2/v1/token" and request.method == "POST":
            _wait(request)
            return oauth.token(self.account, request)
        if not request.path.startswith("/v0/"):
            raise bare_error(404, "NOT_FOUND")
        token = request.header("Authorization").removeprefix("Bearer ")
        grant = self.account.grant(token)
        if grant is None:
            raise _bad_token()
        self.limits.count(_base_id(request), token, self.account.clock.now())
        _wait(request)
        return self._routed(request, grant, request.path.removeprefix("/v0/").strip("/").split("/"))

    def _routed(self, request: AirtableRequest, grant: SimulatedGrant, parts: list[str]) -> AirtableResponse:
        match parts:
            case ["meta", "whoami"] if request.method == "GET":
                return meta.whoami(self.account, grant)
            case ["meta", "bases"] if request.method == "GET":
                return meta.list_bases(self.account, grant, request)
            case ["meta", "bases", base_id, "tables"] if request.method == "GET":
                return meta.list_tables(self.account, grant, base_id)
            case [base_id, table, "listRecords"] if request.method == "POST":
                return records.list_records(self.account, self._table(grant, base_id, table, reads=True), request)
            case [base_id, table] if base_id.startswith("app"):
                reads = request.method in _READS
                return self._of_table(request, self._table(grant, base_id, table, reads=reads))
            case [base_id, table, record_id] if base_id.startswith("app"):
                reads = request.method in _READS
                return self._of_record(request, self._table(grant, base_id, table, reads=reads), record_id)
        raise bare_error(404, "NOT_FOUND")

    def _of_table(self, request: AirtableRequest, table: SimulatedTable) -> AirtableResponse:
        if request.method == "GET":
            return records.list_records(self.account, table, request)
        if request.method == "POST":
            return writing.create(self.account, table, request)
        if request.method in {"PATCH", "PUT"}:
            return writing.update(self.account, table, request)
        if request.method == "DELETE":
            ids = [value for name, value in request.pairs if name == "records[]"]
            return AirtableResponse(200, {"records": records.delete_records(self.account, table, ids)})
        raise bare_error(404, "NOT_FOUND")

    def _of_record(self, request: AirtableRequest, table: SimulatedTable, record_id: str) -> AirtableResponse:
        if request.method == "GET":
            return records.get_record(table, request, record_id)
        if request.method in {"PATCH", "PUT"}:
            return writing.update_one(self.account, table, request, record_id)
        if request.method == "DELETE":
            return AirtableResponse(200, records.delete_records(self.account, table, [record_id])[0])
        raise bare_error(404, "NOT_FOUND")

    def _table(self, grant: SimulatedGrant, base_id: str, name: str, *, reads: bool) -> SimulatedTable:
        base = self.account.base(base_id, grant)
        allowed = grant.may("data.records:read" if reads else "data.records:write")
        table = base.table(name)
        if not allowed or table is None or (not reads and base.permission_level == "read"):
            raise no_permission()
        return table


def _base_id(request: AirtableRequest) -> str | None:
    """Whose limit counts a call; calls of `/meta/` belong to none (assumed)."""
    parts = request.path.split("/")
    return parts[2] if len(parts) > 3 and parts[2].startswith("app") else None


def _wait(request: AirtableRequest) -> None:
    if request.pause is not None:
        request.pause()


def _errors(kind: str) -> AirtableApiError | None:
    return {
        "401": _bad_token,
        "403": no_permission,
        "404": lambda: bare_error(404, "NOT_FOUND"),
        "422_formula": lambda: formulas.invalid("Invalid formula. Please check your formula text."),
        "422_iterator": records.iterator_gone,
        "429": too_many,
        "429_billing": month_is_spent,
        "500_before": _broken,
        "503": lambda: AirtableApiError(503, "SERVICE_UNAVAILABLE", "The service is temporarily unavailable."),
    }.get(kind, lambda: None)()


def _bad_token() -> AirtableApiError:
    return AirtableApiError(401, "AUTHENTICATION_REQUIRED", "Authentication required")


def _broken() -> AirtableApiError:
    return AirtableApiError(500, "SERVER_ERROR", "Try again. If the problem persists, contact support.")
