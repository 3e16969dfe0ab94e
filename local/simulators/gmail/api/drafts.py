"""Drafts [G]: one that is sent is gone, and a new message with the label SENT is there instead."""

from __future__ import annotations

import base64
import binascii
import secrets
from email import message_from_bytes
from email.policy import default

from local.simulators.gmail.api.messages import matches, paged, shown
from local.simulators.gmail.state import GmailAccountState, GoogleState, SimulatedMessage
from local.simulators.gmail.wire import GmailRequest, GmailResponse, Json, broken, invalid


def create(google: GoogleState, account: GmailAccountState, request: GmailRequest) -> GmailResponse:
    raw = _raw(request.object.get("message"))
    if message_from_bytes(raw, policy=default).get("To") in google.broken_recipients:
        raise broken()
    draft_id = f"r{secrets.randbits(62)}"
    message = account.add(raw, ["DRAFT"], account.thread_of(raw))
    account.drafts[draft_id] = message.id
    return GmailResponse(200, _shown(draft_id, message, ["DRAFT"]))


def get(account: GmailAccountState, request: GmailRequest, draft_id: str) -> GmailResponse:
    return GmailResponse(200, {"id": draft_id, "message": shown(account.draft(draft_id), request)})


def listing(account: GmailAccountState, request: GmailRequest, page_size: int) -> GmailResponse:
    query = request.query.get("q", "")
    found = [each for each in account.drafts.items() if matches(account.messages[each[1]], query)]
    page, token = paged(found, request, page_size)
    answer: Json = {"resultSizeEstimate": len(found)}
    if page:
        messages = {key: account.messages[message] for key, message in page}
        answer["drafts"] = [
            {"id": key, "message": {"id": each.id, "threadId": each.thread_id}} for key, each in messages.items()
        ]
    return GmailResponse(200, answer | ({"nextPageToken": token} if token else {}))


def delete(account: GmailAccountState, draft_id: str) -> GmailResponse:
    account.draft(draft_id)
    account.remove(account.drafts.pop(draft_id))
    return GmailResponse(204)


def send(google: GoogleState, account: GmailAccountState, request: GmailRequest) -> GmailResponse:
    draft_id = request.object.get("id")
    if not isinstance(draft_id, str):
        raise invalid("Missing draft id")
    sent = send_draft(google, account, draft_id)
    return GmailResponse(200, {"id": sent.id, "threadId": sent.thread_id, "labelIds": ["SENT"]})


def send_draft(google: GoogleState, account: GmailAccountState, draft_id: str) -> SimulatedMessage:
    """Where `replaces_message_ids` is set, Google puts its own in the place of ours (assumed)."""
    message = account.draft(draft_id)
    if "@" not in message.header("To") or message.header("To") in google.refused_recipients:
        raise invalid("Recipient address required")
    account.drafts.pop(draft_id)
    account.remove(message.id)
    raw = message.raw
    if google.replaces_message_ids:
        raw = raw.replace(message.message_id.encode(), f"<{secrets.token_hex(12)}@mail.gmail.com>".encode())
    sent = account.add(raw, ["SENT"], message.thread_id)
    account.sent.append(message.header("To"))
    return sent


def _shown(draft_id: str, message: SimulatedMessage, labels: list[str]) -> Json:
    return {"id": draft_id, "message": {"id": message.id, "threadId": message.thread_id, "labelIds": labels}}


def _raw(content: object) -> bytes:
    """base64url of RFC 2822."""
    text = content.get("raw") if isinstance(content, dict) else None
    if not isinstance(text, str):
        raise invalid("'raw' RFC822 payload message string or uploading message via /upload/* URL required")
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
        message_from_bytes(raw, policy=default)
    except (binascii.Error, ValueError):
        raise invalid("Invalid value for ByteString") from None
    return raw
