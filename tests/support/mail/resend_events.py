"""Webhook bodies of Resend as its documentation shows them, by hand, and their signature.

https://resend.com/docs/webhooks/event-types, one page a type.
"""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

SECRET = "whsec_" + base64.b64encode(b"a secret of 24 bytes....").decode()
CREATED = "2026-11-22T23:41:11.894Z"
HAPPENED = "2026-11-22T23:41:12.126Z"
NOW = datetime(2026, 11, 22, 23, 41, 13, tzinfo=UTC)
EMAIL_ID = "56761188-7520-42d8-8898-ff6fc54ce618"
MESSAGE_ID = "<111-222-333@email.example.com>"
RECIPIENT = "rosa@customer.example"

_MAIL: dict[str, Any] = {
    "broadcast_id": "8b146471-e88e-4322-86af-016cd36fd216",
    "created_at": CREATED,
    "email_id": EMAIL_ID,
    "message_id": MESSAGE_ID,
    "from": "Acme <hello@acme.example>",
    "to": [RECIPIENT],
    "subject": "Sending this example",
    "template_id": "43f68331-0622-4e15-8202-246a0388854b",
    "tags": {"category": "confirm_email"},
}
_PARTS: dict[str, dict[str, Any]] = {
    "email.bounced": {
        "bounce": {
            "message": f"The mail to {RECIPIENT} was not accepted.",
            "subType": "General",
            "type": "Permanent",
            "diagnosticCode": [f"smtp; 550 5.1.1 <{RECIPIENT}>: User unknown"],
        }
    },
    "email.clicked": {
        "click": {
            "ipAddress": "122.115.53.11",
            "link": "https://www.example.com/offer?utm=1",
            "timestamp": "2026-11-24T05:00:57.163Z",
            "userAgent": "Mozilla/5.0 (Macintosh) Safari/605.1.15",
        }
    },
    "email.failed": {"failed": {"reason": "reached_daily_quota"}},
    "email.suppressed": {
        "suppressed": {"message": "It is on the account-level suppression list.", "type": "OnAccountSuppressionList"}
    },
}
MAIL_TYPES = (
    "email.sent",
    "email.scheduled",
    "email.delivered",
    "email.delivery_delayed",
    "email.complained",
    "email.bounced",
    "email.opened",
    "email.clicked",
    "email.failed",
    "email.suppressed",
)


def mail_event(event: str, **changed: Any) -> dict[str, Any]:
    """The documented example; `changed` replaces parts of `data`, and None takes one away."""
    return envelope(event, {**_MAIL, **_PARTS.get(event, {}), **changed})


def bounced(kind: Any, **changed: Any) -> dict[str, Any]:
    """A bounce of this type; `changed` are parts of `bounce`."""
    return mail_event("email.bounced", bounce={**_PARTS["email.bounced"]["bounce"], "type": kind, **changed})


def suppressed(reason: str | None) -> dict[str, Any]:
    """As the SDK's types know it, with a reason; None: as the page shows it."""
    part = _PARTS["email.suppressed"]["suppressed"]
    return mail_event("email.suppressed", suppressed=part if reason is None else {**part, "reason": reason})


def received(**changed: Any) -> dict[str, Any]:
    """A mail that came in."""
    data = {
        "email_id": EMAIL_ID,
        "created_at": CREATED,
        "from": RECIPIENT,
        "to": ["reply+t0ken@in.acme.example"],
        "bcc": [],
        "cc": ["sales@acme.example"],
        "received_for": ["forwarded@acme.example"],
        "message_id": "<abc@customer.example>",
        "subject": "Re: Sending this example",
        "attachments": [
            {"id": "2a0c9ce0-3112-4728-976e-47ddcd16a318", "filename": "a.png", "content_type": "image/png"}
        ],
    }
    return envelope("email.received", {**data, **changed})


def contact_updated(**changed: Any) -> dict[str, Any]:
    """A contact that wants nothing any more."""
    data = {
        "id": "e169aa45-1ecf-4183-9955-b1499d5701d3",
        "audience_id": "78261eea-8f8b-4381-83c6-79fa7120f1cf",
        "segment_ids": ["78261eea-8f8b-4381-83c6-79fa7120f1cf"],
        "created_at": "2026-10-10T15:11:54.110Z",
        "updated_at": HAPPENED,
        "email": RECIPIENT,
        "first_name": "Rosa",
        "last_name": None,
        "unsubscribed": True,
    }
    return envelope("contact.updated", {**data, **changed})


def topics_updated() -> dict[str, Any]:
    """One topic is wanted, one is not, and of one nobody knows."""
    topics = [
        {"id": "b6d24b8e-af0b-4c3c-be0c-359bbd97381e", "subscription": "opt_in"},
        {"id": "07d84122-7224-4881-9c31-1c048e204602", "subscription": "opt_out"},
        {"id": "17d84122-7224-4881-9c31-1c048e204602", "subscription": "paused"},
    ]
    return envelope("contact.topics.updated", {"email": RECIPIENT, "topics": topics})


def suppression_added(origin: str = "bounce") -> dict[str, Any]:
    """Resend will not write to this address any more."""
    data = {"id": "e169aa45-1ecf-4183-9955-b1499d5701d3", "email": RECIPIENT, "origin": origin, "source_id": EMAIL_ID}
    return envelope("suppression.added", {**data, "created_at": HAPPENED})


def envelope(event: str, data: Any, created_at: Any = HAPPENED) -> dict[str, Any]:
    """Parts of `data` that are None are left out."""
    kept = {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data
    return {"type": event, "created_at": created_at, "data": kept}


def encoded(event: dict[str, Any]) -> bytes:
    """The body that travels."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def signature(body: bytes, *, secret: str = SECRET, svix_id: str = "msg_1", timestamp: str | None = None) -> str:
    """`v1,…`, calculated apart from the code under test."""
    signed = f"{svix_id}.{timestamp or int(NOW.timestamp())}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers(
    body: bytes, *, secret: str = SECRET, svix_id: str = "msg_1", timestamp: str | None = None
) -> dict[str, str]:
    """Signed at NOW, unless told otherwise."""
    at = timestamp or str(int(NOW.timestamp()))
    return {
        "svix-id": svix_id,
        "svix-timestamp": at,
        "svix-signature": signature(body, secret=secret, svix_id=svix_id, timestamp=at),
    }
