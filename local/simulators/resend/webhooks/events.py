"""Webhook payloads in Resend's shapes: `(type, data)`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from local.simulators.clock import stamp
from local.simulators.resend.state import Inbound, SimulatedMail, bare, new_id
from local.simulators.resend.wire import Json

HUMAN = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15"
SCANNER = "Mozilla/5.0 (compatible; LinkScanner/1.0; +https://scanner.example.net/bot)"

SUB_TYPES = {"Permanent": "General", "Transient": "MailboxFull", "Undetermined": "Undetermined"}
_DIAGNOSTICS = {
    "Permanent": "smtp; 550 5.1.1 <{to}>: Recipient address rejected: User unknown",
    "Transient": "smtp; 452 4.2.2 The email account {to} is over quota",
    "Undetermined": "smtp; 554 5.0.0 Error: transaction failed",
}


def about_mail(mail: SimulatedMail, event: str, **parts: Json) -> tuple[str, Json]:
    """`created_at` of the data is the mail's; `tags` is an object [D]."""
    data: Json = {
        "created_at": stamp(mail.at),
        "email_id": mail.id,
        "message_id": mail.message_id,
        "from": mail.payload["from"],
        "to": list(mail.to),
        "subject": mail.payload.get("subject", ""),
        **parts,
    }
    return f"email.{event}", data | ({"tags": mail.tags} if mail.tags else {})


def bounce(mail: SimulatedMail, kind: str, sub_type: str | None, *, codes_as_text: bool = False) -> Json:
    """`diagnosticCode` is a list by the documentation [D] and one text by the SDK's types [S]."""
    code = _DIAGNOSTICS.get(kind, _DIAGNOSTICS["Undetermined"]).format(to=mail.recipients[0])
    return {
        "message": "The recipient's email provider sent a bounce message.",
        "subType": sub_type or SUB_TYPES.get(kind, "Undetermined"),
        "type": kind,
        "diagnosticCode": code if codes_as_text else [code],
    }


def suppressed(mail: SimulatedMail, reason: str | None) -> Json:
    """`reason` None: the form of the documentation's example, which leaves out what the specification requires."""
    message = (
        "Resend has suppressed sending to this address because it is on the account-level suppression list. This does"
        " not count toward your bounce rate metric"
    )
    detail: Json = {"message": message, "type": "OnAccountSuppressionList"}
    codes = [f"smtp; 550 5.7.1 <{address}>: on the account-level suppression list" for address in mail.recipients]
    return detail if reason is None else {**detail, "reason": reason, "diagnosticCode": codes}


def click(link: str, user_agent: str, at: datetime) -> Json:
    """In camel case [D]."""
    return {"ipAddress": "192.0.2.11", "link": link, "timestamp": stamp(at), "userAgent": user_agent}


def received(mail: Inbound) -> tuple[str, Json]:
    """Neither text nor headers, and a bare `from` [D]."""
    return "email.received", {
        "email_id": mail.id,
        "created_at": stamp(mail.at),
        "from": bare(mail.sender),
        "to": list(mail.to),
        "bcc": [],
        "cc": list(mail.cc),
        "received_for": [],
        "message_id": mail.message_id,
        "subject": mail.subject,
        "attachments": [],
    }


def contact(email: str, unsubscribed: bool, at: datetime) -> tuple[str, Json]:
    data: Json = {
        "id": new_id(),
        "audience_id": "78261eea-8f8b-4381-83c6-79fa7120f1cf",
        "segment_ids": [],
        "created_at": stamp(at),
        "updated_at": stamp(at),
        "email": email,
        "first_name": "",
        "last_name": "",
        "unsubscribed": unsubscribed,
    }
    return "contact.updated", data


def topics(email: str, changed: Iterable[tuple[str, bool]]) -> tuple[str, Json]:
    """`changed`: id of a topic, and whether it is wanted."""
    items = [{"id": each, "subscription": "opt_in" if wanted else "opt_out"} for each, wanted in changed]
    return "contact.topics.updated", {"email": email, "topics": items}


def suppression(email: str, origin: str, source_id: str | None, at: datetime) -> tuple[str, Json]:
    data = {"id": new_id(), "email": email, "origin": origin, "source_id": source_id, "created_at": stamp(at)}
    return "suppression.added", data
