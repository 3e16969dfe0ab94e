"""`/api/webhook-url` and `/api/webhook-events`: who is told what, and samples of it."""

from __future__ import annotations

from collections.abc import Iterable

from local.simulators.bison.api import shapes
from local.simulators.bison.context import BisonContext
from local.simulators.bison.state import BisonHook, SimulatedWorkspace
from local.simulators.bison.webhooks import events
from local.simulators.bison.webhooks.events import EVENTS, EventOptions
from local.simulators.bison.wire import BisonRequest, BisonResponse, Json, invalid, missing, page, success


def create(context: BisonContext, workspace_id: int, name: str, url: str, wanted: Iterable[str]) -> BisonHook:
    now = context.bison.now()
    hook = BisonHook(context.bison.next_id("hook"), workspace_id, name, url, list(wanted), now, now)
    with context.bison.lock:
        context.bison.hooks[hook.id] = hook
    return hook


def list_all(context: BisonContext, request: BisonRequest) -> BisonResponse:
    """In pages like the other lists (assumed: clients in public read one page only [1])."""
    with context.bison.lock:
        found = [hook for hook in context.bison.hooks.values() if hook.workspace_id == request.workspace_id]
    return page(request, found, shapes.hook)


def post(context: BisonContext, request: BisonRequest) -> BisonResponse:
    """`data.id` [C]; 201 is Laravel's status for what was just made (assumed). There is no secret to set [V]."""
    sent = _checked(request.payload)
    hook = create(context, request.workspace_id, sent["name"], sent["url"], sent["events"])
    return BisonResponse(201, {"data": shapes.hook(hook)})


def get(context: BisonContext, request: BisonRequest, number: int) -> BisonResponse:
    return BisonResponse(200, {"data": shapes.hook(_known(context, request, number))})


def put(context: BisonContext, request: BisonRequest, number: int) -> BisonResponse:
    """Replaces the events [V]; that all three fields are required as for a new one is assumed."""
    hook, sent = _known(context, request, number), _checked(request.payload)
    with context.bison.lock:
        hook.name, hook.url, hook.events = sent["name"], sent["url"], list(sent["events"])
        hook.modified = context.bison.now()
    return BisonResponse(200, {"data": shapes.hook(hook)})


def delete(context: BisonContext, request: BisonRequest, number: int) -> BisonResponse:
    hook = _known(context, request, number)
    with context.bison.lock:
        context.bison.hooks.pop(hook.id, None)
    return success("Webhook deleted successfully.")


def _known(context: BisonContext, request: BisonRequest, number: int) -> BisonHook:
    hook = context.bison.hooks.get(number)
    if hook is None or hook.workspace_id != request.workspace_id:
        raise missing("WebhookUrl", number)
    return hook


def _checked(sent: Json) -> Json:
    """Subscription names are in lower case [V]; upper-case ones are refused (assumed)."""
    errors: dict[str, str] = {}
    if not sent.get("name"):
        errors["name"] = "The name field is required."
    if not sent.get("url"):
        errors["url"] = "The url field is required."
    elif not _is_url(sent["url"]):
        errors["url"] = "The url field must be a valid URL."
    wanted = sent.get("events")
    if not wanted:
        errors["events"] = "The events field is required."
    elif not isinstance(wanted, list):
        errors["events"] = "The events field must be an array."
    else:
        strange = [position for position, name in enumerate(wanted) if name not in EVENTS]
        errors |= {f"events.{position}": f"The selected events.{position} is invalid." for position in strange}
    if errors:
        raise invalid(errors)
    return sent


def _is_url(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def event_types(context: BisonContext, request: BisonRequest) -> BisonResponse:
    """Documented, not recorded: each with its machine name as `id` [1]."""
    del context, request
    return BisonResponse(200, {"data": [{"id": name, "name": events.title(name)} for name in EVENTS]})


def sample_payload(context: BisonContext, request: BisonRequest) -> BisonResponse:
    """The whole event under `data` [V]; `event_type` is documented in the body of the GET, and sent in the query."""
    event = _event_type(request.query.get("event_type") or request.payload.get("event_type"))
    return BisonResponse(200, {"data": sample(context, request.workspace_id, event)})


def test_event(context: BisonContext, request: BisonRequest) -> BisonResponse:
    """Really sends the sample [V]; the answer says nothing about its arrival (assumed: it is queued)."""
    event, url = _event_type(request.payload.get("event_type")), request.payload.get("url")
    if not _is_url(url):
        raise invalid({"url": "The url field must be a valid URL." if url else "The url field is required."})
    context.webhooks.send_test(request.workspace_id, event, str(url), sample(context, request.workspace_id, event))
    return success("Test event sent successfully.")


def _event_type(value: object) -> str:
    if not value:
        raise invalid({"event_type": "The event type field is required."})
    if not isinstance(value, str) or value not in EVENTS:
        raise invalid({"event_type": "The selected event type is invalid."})
    return value


def sample(context: BisonContext, workspace_id: int, event: str) -> Json:
    """The vendor's text shows workspace 1, `main`, of another instance; whether a real sample does is unknown."""
    if context.bison.vendor_samples:
        vendor = SimulatedWorkspace(1, "main", "", context.bison.now())
        return events.envelope(vendor, "https://bison.example.com", event, events.sample(event), EventOptions())
    own = context.bison.workspaces[workspace_id]
    return events.envelope(own, context.webhooks.instance_url, event, events.sample(event), EventOptions())
