"""`GET /emails` and `GET /emails/{id}`: what was sent, newest first [O]."""

from __future__ import annotations

from local.simulators.clock import stamp
from local.simulators.resend.state import ResendAccount, SimulatedMail
from local.simulators.resend.wire import Json, ResendApiError, ResendRequest, ResendResponse, list_of

_MOST = 100
_USUAL = 20


def list_all(account: ResendAccount, request: ResendRequest) -> ResendResponse:
    with account.lock:
        mails = list(reversed(account.mails.values()))
    return page_of([_listed(mail) for mail in mails], request)


def page_of(items: list[Json], request: ResendRequest) -> ResendResponse:
    """`limit` 1 to 100; `after` is the id of the last one of the page before, `before` of the first one."""
    limit = _limit(request.query.get("limit"))
    ids = [item["id"] for item in items]
    start, end = 0, len(items)
    if (after := request.query.get("after")) is not None:
        start = _place(ids, after) + 1
    if (before := request.query.get("before")) is not None:
        end = _place(ids, before)
        start = max(start, end - limit)
    page = items[start:end][:limit]
    more = start + len(page) < end if before is None else start > 0
    return list_of(page, has_more=more)


def get(account: ResendAccount, request: ResendRequest, email_id: str) -> ResendResponse:
    del request
    mail = account.mails.get(email_id)
    if mail is None:
        raise ResendApiError(404, "not_found", "Email not found")
    # The specification has no tags in it.
    content = {"object": "email", "html": mail.payload.get("html"), "text": mail.payload.get("text")}
    return ResendResponse(200, {**_listed(mail), **content})


def _listed(mail: SimulatedMail) -> Json:
    """[O] calls it a whole Email; the page of the API shows a list without the texts."""
    reply_to = mail.payload.get("reply_to") or []
    return {
        "id": mail.id,
        "message_id": mail.message_id,
        "to": list(mail.to),
        "from": mail.payload["from"],
        "created_at": stamp(mail.at),
        "subject": mail.payload["subject"],
        "bcc": [],
        "cc": [],
        "reply_to": reply_to if isinstance(reply_to, list) else [reply_to],
        "last_event": mail.last_event,
        "scheduled_at": mail.payload.get("scheduled_at"),
    }


def _limit(text: str | None) -> int:
    if text is None:
        return _USUAL
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise ResendApiError(422, "validation_error", "The `limit` must be between 1 and 100.")
    return int(text)


def _place(ids: list[str], email_id: str) -> int:
    if email_id not in ids:
        raise ResendApiError(404, "not_found", "Email not found")
    return ids.index(email_id)
