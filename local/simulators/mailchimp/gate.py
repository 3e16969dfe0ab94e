"""What every call passes before it reaches its handler: faults, the token, the number of calls at once, routes."""

from __future__ import annotations

import base64
import time
from email.utils import format_datetime

from local.simulators.call_log import CallLog
from local.simulators.fault_queue import FaultQueue
from local.simulators.http_server import NoAnswerError
from local.simulators.mailchimp.api import batches, hooks, members, oauth
from local.simulators.mailchimp.faults import MailchimpFault
from local.simulators.mailchimp.state import MailchimpState, SimulatedAudience
from local.simulators.mailchimp.wire import MailchimpProblem, MailchimpRequest, MailchimpResponse, not_found, selected

AT_ONCE = 10
_PAGE = b"<html><head><title>403 Forbidden</title></head><body>Forbidden</body></html>"


class MailchimpGate(CallLog):
    """What a call passes, and the log of all."""

    def __init__(self, state: MailchimpState, faults: FaultQueue[MailchimpFault]) -> None:
        super().__init__()
        self.state = state
        self.faults = faults
        self._inside = 0

    def pass_through(self, request: MailchimpRequest) -> MailchimpResponse:
        """Raises NoAnswerError where a fault swallows the answer."""
        status = 0
        with self._lock:
            self._inside += 1
            is_crowded = self._inside > AT_ONCE
        try:
            response = _too_many().response() if is_crowded else self._answered(request)
            status = response.status
        finally:
            with self._lock:
                self._inside -= 1
            self.note(request.method, request.path, status)
        response.headers["Date"] = format_datetime(self.state.now(), usegmt=True)
        return response

    def _answered(self, request: MailchimpRequest) -> MailchimpResponse:
        try:
            return self._with_faults(request)
        except MailchimpProblem as problem:
            return problem.response()

    def _with_faults(self, request: MailchimpRequest) -> MailchimpResponse:
        fault = self.faults.take(f"{request.method} {request.target}", request.body)
        if fault is None:
            return self._checked(request)
        if fault.kind == "html":
            return MailchimpResponse(200, _PAGE, content_type="text/html")
        if fault.kind == "403_bare":
            return MailchimpResponse(403, _PAGE, content_type="text/html")
        if fault.kind == "hang":
            time.sleep(fault.seconds)
            raise NoAnswerError
        if fault.kind in _PROBLEMS:
            status, title = _PROBLEMS[fault.kind]
            raise MailchimpProblem(status, title)
        if fault.kind == "duplicate_page":
            request.raw_query = "&".join(
                part for part in request.raw_query.split("&") if not part.startswith(("offset=", "since_last"))
            )
        response = self._checked(request)
        if fault.kind == "lost":
            raise NoAnswerError
        if fault.kind == "500_after":
            raise MailchimpProblem(500, "Internal Server Error")
        if fault.kind == "truncated":
            whole = response.encoded()
            return MailchimpResponse(response.status, whole[: len(whole) // 2], content_type=response.content_type)
        return response

    def _checked(self, request: MailchimpRequest) -> MailchimpResponse:
        with self.state.lock:
            if request.path.startswith(batches.RESULTS):
                return batches.results(self.state, request)
            if request.path == "/oauth2/authorize":
                return oauth.authorize(self.state, request)
            if request.path == "/oauth2/token":
                return oauth.token(self.state, request)
            if request.path == "/oauth2/metadata":
                return oauth.metadata(self.state, request)
            if not _is_allowed(self.state, request.header("Authorization")):
                raise MailchimpProblem(401, "API Key Invalid", "Your API key may be invalid.")
            if not request.path.rstrip("/").endswith("/webhooks"):
                return self.routed(request)
        # The address of a new hook is asked meanwhile.
        return self.routed(request)

    def routed(self, request: MailchimpRequest) -> MailchimpResponse:
        state, method = self.state, request.method
        match request.path.removeprefix("/3.0").strip("/").split("/"):
            case [""] if method == "GET":
                return MailchimpResponse(200, selected(_ROOT, request.query))
            case ["ping"]:
                return MailchimpResponse(200, {"health_status": "Everything's Chimpy!"})
            case ["lists"] if method == "GET":
                found = [{"id": each.id, "name": each.name} for each in state.audiences.values()]
                return MailchimpResponse(200, selected({"lists": found, "total_items": len(found)}, request.query))
            case ["batches"]:
                return batches.begin(state, request) if method == "POST" else batches.list_all(state, request)
            case ["batches", batch_id] if method == "GET":
                return batches.show(state, request, batch_id, self.routed)
            case ["lists", list_id, *rest]:
                return self._of_audience(request, self._audience(list_id), rest)
        raise not_found()

    def _audience(self, list_id: str) -> SimulatedAudience:
        if list_id not in self.state.audiences:
            raise not_found()
        return self.state.audiences[list_id]

    def _of_audience(
        self, request: MailchimpRequest, audience: SimulatedAudience, rest: list[str]
    ) -> MailchimpResponse:
        state = self.state
        match (request.method, *rest):
            case ("POST",):
                return members.subscribe(state, audience, request)
            case ("GET", "merge-fields"):
                found = {"merge_fields": [each.shown for each in audience.fields], "list_id": audience.id}
                return MailchimpResponse(200, selected(found, request.query))
            case ("GET", "webhooks"):
                return hooks.list_hooks(audience)
            case ("POST", "webhooks"):
                return hooks.add_hook(state, audience, request)
            case (_, "members", *more):
                return self._of_members(request, audience, more)
        raise not_found()

    def _of_members(self, request: MailchimpRequest, audience: SimulatedAudience, rest: list[str]) -> MailchimpResponse:
        state = self.state
        match (request.method, *rest):
            case ("GET",):
                return members.list_members(audience, request)
            case ("POST",):
                return members.add_member(state, audience, request)
            case ("GET", key):
                return members.show_member(audience, key, request)
            case ("PUT", key):
                return members.put_member(state, audience, key, request)
            case ("PATCH", key):
                return members.patch_member(state, audience, key, request)
            case ("DELETE", key):
                return members.archive(state, audience, key)
            case ("POST", key, "tags"):
                return members.set_tags(state, audience, key, request)
            case ("POST", key, "actions", "delete-permanent"):
                return members.delete_for_good(audience, key)
        raise not_found()


_ROOT = {
    "account_id": "8d3a3db4d97663a9074efcc16",
    "account_name": "Northwind",
    "email": "owner@northwind.example",
}
_PROBLEMS = {
    "401": (401, "API Key Invalid"),
    "403": (403, "Forbidden"),
    "404": (404, "Resource Not Found"),
    "429": (429, "Too Many Requests"),
    "500": (500, "Internal Server Error"),
    "503": (503, "Service Unavailable"),
}


def _too_many() -> MailchimpProblem:
    return MailchimpProblem(429, "Too Many Requests", "You have exceeded the limit of 10 simultaneous connections.")


def _is_allowed(state: MailchimpState, header: str) -> bool:
    """A key or a token as a bearer, or a key as the password of any user [E]."""
    kind, _, value = header.partition(" ")
    if kind == "Basic":
        value = base64.b64decode(value).decode().partition(":")[2]
    return value in state.keys or value in state.tokens
