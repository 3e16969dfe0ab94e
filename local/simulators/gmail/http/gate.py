"""What every call passes before it reaches its handler: faults, the token, the quota."""

from __future__ import annotations

import time
from collections.abc import Callable

from local.simulators.gates import LoggedGate
from local.simulators.gmail.api import drafts, messages, oauth
from local.simulators.gmail.http.faults import UNITS, GmailFault, GmailFaults, GmailQuota
from local.simulators.gmail.state import GmailAccountState, GoogleGrant, GoogleState
from local.simulators.gmail.wire import (
    GmailApiError,
    GmailRequest,
    GmailResponse,
    bad_token,
    broken,
    edge_page,
    no_permission,
    not_found,
    too_many,
)
from local.simulators.http_server import NoAnswerError

_PREFIX = "/gmail/v1/users/"
_ERRORS: dict[str, Callable[[], GmailApiError]] = {
    "401": bad_token,
    "403": no_permission,
    "403_rate": lambda: too_many(403),
    "404": not_found,
    "429": too_many,
    "500": broken,
    "503": lambda: broken(503),
}


class GmailGate(LoggedGate[GmailRequest, GmailResponse]):
    """What a call passes, and the log of all."""

    def __init__(self, google: GoogleState, faults: GmailFaults, quota: GmailQuota) -> None:
        super().__init__()
        self.google = google
        self.faults = faults
        self.quota = quota

    def refused(self, request: GmailRequest, error: Exception) -> GmailResponse:
        del request
        return (error if isinstance(error, GmailApiError) else broken()).response()

    def with_faults(self, request: GmailRequest) -> GmailResponse:
        fault = self.faults.take(f"{request.method} {request.target}", request.body)
        if fault is None:
            return self._checked(request)
        if fault.kind == "html":
            return edge_page(200)
        self._before(fault, request)
        response = self._checked(request)
        if fault.kind == "lost":
            raise NoAnswerError
        if fault.kind == "500_after":
            raise broken()
        if fault.kind == "truncated":
            whole = response.encoded()
            return GmailResponse(response.status, whole[: len(whole) // 2] or b"{")
        return response

    def _before(self, fault: GmailFault, request: GmailRequest) -> None:
        if fault.kind == "hang":
            time.sleep(fault.seconds)
        if fault.kind in {"cut_before", "hang"}:
            raise NoAnswerError
        if fault.kind in _ERRORS:
            error = _ERRORS[fault.kind]()
            raise error
        request.pause = self.faults.hold if fault.kind == "held" else None
        request.repeat = fault.kind == "duplicate_page"
        request.shift = int(fault.kind == "shift")

    def _checked(self, request: GmailRequest) -> GmailResponse:
        if request.path == "/o/oauth2/v2/auth" and request.method == "GET":
            return oauth.authorize(self.google, request)
        if request.method == "POST" and request.path in {"/token", "/revoke"}:
            _wait(request)
            answer = oauth.token if request.path == "/token" else oauth.revoke
            return answer(self.google, request)
        if not request.path.startswith(_PREFIX):
            raise not_found()
        grant = self.google.grant_of(request.header("Authorization").removeprefix("Bearer "))
        if grant is None:
            raise bad_token()
        user, _, rest = request.path.removeprefix(_PREFIX).partition("/")
        if user not in {"me", grant.address}:
            raise no_permission()
        return self._of_account(request, grant, rest.split("/"))

    def _of_account(self, request: GmailRequest, grant: GoogleGrant, parts: list[str]) -> GmailResponse:
        account = self.google.accounts[grant.address]
        is_sending = parts == ["drafts", "send"]
        self.quota.count(grant.address, UNITS.get("send" if is_sending else parts[0], 5), self.google.clock.now())
        writes = request.method != "GET"
        wanted = f"https://www.googleapis.com/auth/gmail.{'compose' if writes else 'readonly'}"
        if wanted not in grant.scopes:
            raise no_permission()
        _wait(request)
        with account.lock:
            return self._routed(request, account, parts)

    def _routed(self, request: GmailRequest, account: GmailAccountState, parts: list[str]) -> GmailResponse:
        size = self.google.page_size
        match (request.method, *parts):
            case ("GET", "profile"):
                return messages.profile(account)
            case ("GET", "labels"):
                return messages.list_labels(account)
            case ("GET", "history"):
                return messages.list_history(account, request, size)
            case ("GET", "messages"):
                return messages.list_messages(account, request, size)
            case ("GET", "messages", message_id):
                return messages.get_message(account, request, message_id)
            case ("GET", "threads", thread_id):
                return messages.get_thread(account, request, thread_id)
            case (_, "drafts", *rest):
                return self._of_drafts(request, account, rest)
        raise not_found()

    def _of_drafts(self, request: GmailRequest, account: GmailAccountState, parts: list[str]) -> GmailResponse:
        match (request.method, *parts):
            case ("GET",):
                return drafts.listing(account, request, self.google.page_size)
            case ("POST",):
                return drafts.create(self.google, account, request)
            case ("POST", "send"):
                return drafts.send(self.google, account, request)
            case ("GET", draft_id):
                return drafts.get(account, request, draft_id)
            case ("DELETE", draft_id):
                return drafts.delete(account, draft_id)
        raise not_found()


def _wait(request: GmailRequest) -> None:
    if request.pause is not None:
        request.pause()
