"""`/webhooks`: who is told what, and with which secret it is signed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC

from local.simulators.resend.state import ResendAccount, ResendHook, new_id, new_secret
from local.simulators.resend.wire import Json, ResendApiError, ResendRequest, ResendResponse, list_of

_OF_A_MAIL = "sent scheduled delivered delivery_delayed opened clicked bounced complained failed suppressed received"
EVENTS = frozenset(
    f"{kind}.{event}"
    for kind, events in {
        "email": _OF_A_MAIL,
        "contact": "created updated deleted topics.updated",
        "domain": "created updated deleted",
        "suppression": "added removed",
        "topic": "created updated deleted",
    }.items()
    for event in events.split()
)


def create(account: ResendAccount, url: str, events: Iterable[str], *, secret: str | None = None) -> ResendHook:
    hook = ResendHook(new_id(), url, list(events), account.clock.now(), [(secret or new_secret(), None)])
    with account.lock:
        account.hooks[hook.id] = hook
    return hook


def post(account: ResendAccount, request: ResendRequest) -> ResendResponse:
    """The secret is told here, and by a rotation [D]; 201 is assumed."""
    sent = request.object
    _check(sent, required=("endpoint", "events"))
    hook = create(account, sent["endpoint"], sent["events"])
    return ResendResponse(201, {"object": "webhook", "id": hook.id, "signing_secret": hook.secret})


def list_all(account: ResendAccount, request: ResendRequest) -> ResendResponse:
    """All of them unless `limit` says otherwise; `after` is the id of the last one that was read [D]."""
    limit = request.query.get("limit", "100")
    if not limit.isdecimal() or not 1 <= int(limit) <= 100:
        raise ResendApiError(422, "validation_error", "The `limit` must be a number between 1 and 100.")
    with account.lock:
        found = list(account.hooks.values())
    ids = [hook.id for hook in found]
    start = ids.index(request.query["after"]) + 1 if request.query.get("after") in ids else 0
    page = found[start : start + int(limit)]
    return list_of([_shown(hook) for hook in page], has_more=start + len(page) < len(found))


def get(account: ResendAccount, request: ResendRequest, hook_id: str) -> ResendResponse:
    del request
    hook = _known(account, hook_id)
    # A list leaves the secret out [O].
    return ResendResponse(200, {"object": "webhook", **_shown(hook), "signing_secret": hook.secret})


def patch(account: ResendAccount, request: ResendRequest, hook_id: str) -> ResendResponse:
    """Only what is named changes [D]."""
    hook, sent = _known(account, hook_id), request.object
    _check(sent, required=())
    with account.lock:
        hook.url, hook.events = sent.get("endpoint", hook.url), list(sent.get("events", hook.events))
        hook.status = sent.get("status", hook.status)
    return ResendResponse(200, {"object": "webhook", "id": hook.id})


def delete(account: ResendAccount, request: ResendRequest, hook_id: str) -> ResendResponse:
    del request
    hook = _known(account, hook_id)
    with account.lock:
        account.hooks.pop(hook.id, None)
    return ResendResponse(200, {"object": "webhook", "id": hook.id, "deleted": True})


def rotate(account: ResendAccount, request: ResendRequest, hook_id: str) -> ResendResponse:
    """[D] "For 24 hours after the rotation, payloads are signed with both the new and the previous secret"."""
    del request
    hook = _known(account, hook_id)
    with account.lock:
        secret = hook.rotate(account.clock.now())
    return ResendResponse(200, {"object": "webhook", "id": hook.id, "signing_secret": secret})


def _shown(hook: ResendHook) -> Json:
    """The time is written in another way than in webhooks [D]."""
    at = hook.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.000+00")
    return {"id": hook.id, "created_at": at, "status": hook.status, "endpoint": hook.url, "events": hook.events}


def _known(account: ResendAccount, hook_id: str) -> ResendHook:
    hook = account.hooks.get(hook_id)
    if hook is None:
        raise ResendApiError(404, "not_found", "Webhook not found")
    return hook


def _check(sent: Json, required: tuple[str, ...]) -> None:
    """The words are assumed."""
    for name in required:
        if not sent.get(name):
            raise ResendApiError(422, "missing_required_field", f"The `{name}` field is missing.")
    url, events, status = sent.get("endpoint", "https://"), sent.get("events", []), sent.get("status", "enabled")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise ResendApiError(422, "validation_error", "The `endpoint` must be a valid URL.")
    if not isinstance(events, list) or not EVENTS.issuperset(events):
        raise ResendApiError(422, "validation_error", "The `events` field has an unknown event type.")
    if status not in {"enabled", "disabled"}:
        raise ResendApiError(422, "validation_error", "The `status` must be `enabled` or `disabled`.")
