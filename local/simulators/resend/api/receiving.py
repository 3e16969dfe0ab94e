"""`GET /emails/receiving` and `GET /emails/receiving/{id}`: mails that came in, newest first [O]."""

from __future__ import annotations

from local.simulators.clock import stamp
from local.simulators.resend.api.sent import page_of
from local.simulators.resend.state import Inbound, ResendAccount
from local.simulators.resend.wire import Json, ResendApiError, ResendRequest, ResendResponse


def list_all(account: ResendAccount, request: ResendRequest) -> ResendResponse:
    """Without text and headers."""
    with account.lock:
        mails = list(reversed(account.inbound.values()))
    return page_of([_listed(mail) for mail in mails], request)


def get(account: ResendAccount, request: ResendRequest, email_id: str) -> ResendResponse:
    mail = account.inbound.get(email_id)
    if mail is None:
        raise ResendApiError(404, "not_found", "Email not found")
    return ResendResponse(200, shown(mail, request.query.get("html_format", "data_uri")))


def _listed(mail: Inbound) -> Json:
    whole = shown(mail, "data_uri")
    names = ("id", "to", "from", "created_at", "subject", "bcc", "cc", "reply_to", "message_id", "attachments")
    return {name: whole[name] for name in names}


def shown(mail: Inbound, html_format: str) -> Json:
    """[D]; the names of headers are in lower case there, and `from` has the name that the webhook leaves out."""
    return {
        "object": "email",
        "id": mail.id,
        "to": list(mail.to),
        "from": mail.sender,
        "created_at": stamp(mail.at),
        "subject": mail.subject,
        "html": f"<p>{mail.text}</p>",
        "html_format": html_format,
        "text": mail.text,
        "headers": {"from": mail.sender, "mime-version": "1.0", "message-id": mail.message_id, **mail.headers},
        "bcc": [],
        "cc": list(mail.cc),
        "reply_to": [],
        "received_for": [],
        "authentication": {"spf": "pass", "dkim": "pass", "dmarc": "pass"},
        "message_id": mail.message_id,
        "raw": None,
        "attachments": [],
    }
