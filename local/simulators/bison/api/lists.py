"""What is only read here: replies, leads, campaigns, and the delivery log of newer instances."""

from __future__ import annotations

import base64
import operator
from collections.abc import Callable
from datetime import date

from local.simulators.bison.api import shapes
from local.simulators.bison.context import BisonContext
from local.simulators.bison.state import SimulatedLead, SimulatedReply
from local.simulators.bison.webhooks.delivery import Happened
from local.simulators.bison.wire import (
    PAGE_SIZE,
    BisonApiError,
    BisonRequest,
    BisonResponse,
    Json,
    invalid,
    missing,
    page,
    stamp,
)

COMPARISONS: dict[str, Callable[[date, date], bool]] = {
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
REPLY_STATUS: dict[str, Callable[[SimulatedReply], bool]] = {
    "interested": lambda reply: reply.interested,
    "automated_reply": lambda reply: reply.automated,
    "not_automated_reply": lambda reply: not reply.automated,
}


def replies(context: BisonContext, request: BisonRequest) -> BisonResponse:
    """Newest first (assumed); filters by `status`, `folder`, `campaign_id`, `sender_email_id`, `lead_id` [V]."""
    with context.bison.lock:
        mine = [item for item in context.bison.replies.values() if item.workspace_id == request.workspace_id]
        return page(request, [item for item in reversed(mine) if _wanted(item, request)], shapes.reply_in_api)


def _wanted(reply: SimulatedReply, request: BisonRequest) -> bool:
    query = request.query
    status = REPLY_STATUS.get(query.get("status", ""))
    folder = query.get("folder", "all").casefold()
    if (status and not status(reply)) or folder not in {"all", reply.folder.casefold()}:
        return False
    shown = shapes.reply_in_api(reply)
    names = ("campaign_id", "sender_email_id", "lead_id")
    return all(name not in query or query[name] == str(shown[name]) for name in names)


def leads(context: BisonContext, request: BisonRequest) -> BisonResponse:
    """`filters.updated_at.criteria` and `.value` select by day [V]; they travel in PHP's brackets (assumed)."""
    criteria = request.query.get("filters[updated_at][criteria]")
    value = request.query.get("filters[updated_at][value]")
    with context.bison.lock:
        found = [item for item in context.bison.leads.values() if item.workspace_id == request.workspace_id]
        if value is not None:
            found = [item for item in found if _updated(item, criteria, value)]
        return page(request, found, shapes.lead_in_api)


def _updated(lead: SimulatedLead, criteria: str | None, value: str) -> bool:
    try:
        return COMPARISONS[criteria or ""](lead.modified.date(), date.fromisoformat(value))
    except (KeyError, ValueError) as error:
        raise invalid({"filters.updated_at.value": "The selected filter is invalid."}) from error


def lead(context: BisonContext, request: BisonRequest, number: int) -> BisonResponse:
    found = context.bison.leads.get(number)
    if found is None or found.workspace_id != request.workspace_id:
        raise missing("Lead", number)
    return BisonResponse(200, {"data": shapes.lead_in_api(found)})


def campaigns(context: BisonContext, request: BisonRequest) -> BisonResponse:
    wanted = request.query.get("status", "")
    with context.bison.lock:
        mine = [item for item in context.bison.campaigns.values() if item.workspace_id == request.workspace_id]
        return page(request, [item for item in mine if wanted in {"", item.status}], shapes.campaign_in_api)


def events(context: BisonContext, request: BisonRequest) -> BisonResponse:
    """Only newer instances have it; 15 a page, by cursor, with the payload and its deliveries [1]; order assumed."""
    if not context.bison.delivery_log:
        raise BisonApiError(404, "The route api/events could not be found.")
    before, wanted = _number(request.query.get("cursor")), request.query.get("type", "").casefold()
    with context.bison.lock:
        found = [
            item
            for item in reversed(context.webhooks.happened)
            if item.workspace_id == request.workspace_id
            and (before is None or item.id < before)
            and wanted in {"", item.event}
        ]
        shown = found[:PAGE_SIZE]
        data = [_event(context, item) for item in shown]
    following = _cursor(shown[-1].id) if len(found) > PAGE_SIZE else None
    path = request.base_url + request.path
    meta = {"path": path, "per_page": PAGE_SIZE, "next_cursor": following, "prev_cursor": None}
    links = {"first": None, "last": None, "prev": None, "next": f"{path}?cursor={following}" if following else None}
    return BisonResponse(200, {"data": data, "links": links, "meta": meta})


def _event(context: BisonContext, item: Happened) -> Json:
    """That `webhook_deliveries` holds attempts with response codes is [1]; their spelling is assumed."""
    attempts: dict[int, list[Json]] = {}
    for made in context.webhooks.deliveries:
        if made.event_id == item.id and made.hook_id is not None:
            shown = {"id": made.id, "response_code": made.status, "created_at": stamp(made.at)}
            attempts.setdefault(made.hook_id, []).append(shown)
    deliveries = [{"webhook_url_id": hook, "webhook_attempts": made} for hook, made in attempts.items()]
    moment = stamp(item.at)
    whole = {"id": item.id, "uuid": item.uuid, "payload": item.payload, "webhook_deliveries": deliveries}
    return {**whole, "created_at": moment, "updated_at": moment}


def retry_attempt(context: BisonContext, request: BisonRequest, number: int) -> BisonResponse:
    """Sends a logged attempt once more [1]."""
    made = next((item for item in context.webhooks.deliveries if item.id == number), None)
    if not context.bison.delivery_log or made is None or made.workspace_id != request.workspace_id:
        raise missing("WebhookAttempt", number)
    context.webhooks.redeliver(made)
    return BisonResponse(200, {"data": {"success": True, "message": "Webhook attempt queued for retry."}})


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(str(number).encode()).decode().rstrip("=")


def _number(cursor: str | None) -> int | None:
    if not cursor:
        return None
    try:
        return int(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        return None
