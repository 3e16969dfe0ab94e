"""How a run can be ordered: by the schedule, by a message of an earlier run, or by hand over HTTP."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.answer_headers import AllowedOrigins, no_origins
from crm_relay.platform.http.callers import Caller, Role
from crm_relay.platform.http.http_edge import Accepts, HttpRequest, respond

_MAX_BODY_BYTES = 4096
_HTTP_SECONDS = 20.0
"""API Gateway gives up on an HTTP API's integration after 30 seconds."""


@dataclass(frozen=True)
class SyncOrder:
    """One run to do. `after` continues a full comparison behind that customer; `watch` only looks after the webhook."""

    full: bool = False
    after: UUID | None = None
    limit_seconds: float | None = None
    watch: bool = False

    def message(self) -> dict[str, object]:
        """The order as a message to a later run."""
        return {"full": self.full, "after": None if self.after is None else str(self.after)}


def read_order(given: Mapping[str, Any]) -> SyncOrder:
    """An order from JSON. Raises RejectedInput for wrong types."""
    full, watch, after = given.get("full", False), given.get("watch", False), given.get("after")
    if not isinstance(full, bool) or not isinstance(watch, bool):
        raise RejectedInput("full and watch must be true or false")
    try:
        return SyncOrder(full, None if after is None else UUID(str(after)), watch=watch)
    except ValueError:
        raise RejectedInput("after must be a customer id") from None


def schedules_of(message: Mapping[str, Any]) -> tuple[str, ...]:
    """The schedules whose work a message's run does: a full comparison also sends what changed."""
    changed = ("mautic_sync.EveryQuarterHour",)
    return (*changed, "mautic_sync.EveryNight") if message.get("full") else changed


Sync = Callable[[SyncOrder], Mapping[str, Any]]
Identify = Callable[[str], Caller | None]
"""Whose token stands in this text of the header Authorization."""


def perform(
    event: Mapping[str, Any], sync: Sync, identify: Identify, origins: AllowedOrigins = no_origins
) -> Mapping[str, Any]:
    """Run what the event orders and answer in its form: HTTP response, or the plain report."""
    if "requestContext" in event:
        accepts = Accepts(max_body_bytes=_MAX_BODY_BYTES, origins=origins)
        return respond(event, accepts, lambda request: _by_hand(request, sync, identify))
    records = event.get("Records")
    if records:
        # Each message asks for one more run; one run does for all that have come together.
        return sync(read_order(json.loads(records[-1]["body"])))
    return sync(read_order(event))


def _by_hand(request: HttpRequest, sync: Sync, identify: Identify) -> tuple[int, Mapping[str, Any]]:
    caller = identify(request.headers.get("authorization", ""))
    if caller is None:
        raise RejectedInput("a valid token is needed", status=401)
    if caller.role < Role.OPERATE:
        raise RejectedInput("this token may not do that", status=403, details=["role needed: operate"])
    order = read_order(_json_object(request.body))
    return 200, sync(replace(order, limit_seconds=_HTTP_SECONDS))


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise RejectedInput("the body is not JSON") from None
    if not isinstance(given, dict):
        raise RejectedInput("the body must be a JSON object")
    return given
