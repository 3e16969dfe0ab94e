"""Which call goes where; the pattern of a call is also the name under which it is counted."""

from __future__ import annotations

import re
from collections.abc import Callable

from local.simulators.bison.api import accounts, hooks, lists, workspaces
from local.simulators.bison.context import BisonContext
from local.simulators.bison.wire import BisonApiError, BisonRequest, BisonResponse

Handler = Callable[..., BisonResponse]

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/api/users", workspaces.user),
    ("GET", "/api/workspaces/v1.1", workspaces.list_all),
    ("POST", "/api/workspaces/v1.1/switch-workspace", workspaces.switch),
    ("POST", "/api/workspaces/v1.1/{id}/api-tokens", workspaces.new_token),
    ("GET", "/api/sender-emails", accounts.list_all),
    ("GET", "/api/sender-emails/{id}", accounts.get),
    ("PATCH", "/api/sender-emails/{id}", accounts.patch),
    ("DELETE", "/api/sender-emails/{id}", accounts.delete),
    ("GET", "/api/webhook-url", hooks.list_all),
    ("POST", "/api/webhook-url", hooks.post),
    ("GET", "/api/webhook-url/{id}", hooks.get),
    ("PUT", "/api/webhook-url/{id}", hooks.put),
    ("DELETE", "/api/webhook-url/{id}", hooks.delete),
    ("GET", "/api/webhook-events/event-types", hooks.event_types),
    ("GET", "/api/webhook-events/sample-payload", hooks.sample_payload),
    ("POST", "/api/webhook-events/test-event", hooks.test_event),
    ("GET", "/api/replies", lists.replies),
    ("GET", "/api/leads", lists.leads),
    ("GET", "/api/leads/{id}", lists.lead),
    ("GET", "/api/campaigns", lists.campaigns),
    ("GET", "/api/events", lists.events),
    ("POST", "/api/webhook-attempts/{id}/retry", lists.retry_attempt),
]
TABLE = [
    (method, pattern, re.compile(re.escape(pattern).replace(r"\{id\}", r"(\d+)")), handler)
    for method, pattern, handler in ROUTES
]


def name(request: BisonRequest) -> str:
    """`GET /api/sender-emails/{id}`; what is no route is named by its path."""
    pattern = next((pattern for _, pattern, path, _ in TABLE if path.fullmatch(request.path)), request.path)
    return f"{request.method} {pattern}"


def call(context: BisonContext, request: BisonRequest) -> BisonResponse:
    others = []
    for method, _, path, handler in TABLE:
        found = path.fullmatch(request.path)
        if found and method == request.method:
            return handler(context, request, *(int(part) for part in found.groups()))
        if found:
            others.append(method)
    shown = request.path.strip("/")
    if others:
        text = f"The {request.method} method is not supported for route {shown}. Supported methods: "
        raise BisonApiError(405, f"{text}{', '.join(others)}.")
    raise BisonApiError(404, f"The route {shown} could not be found.")
