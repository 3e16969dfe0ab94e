"""Webhook deliveries of a real Mautic, as recorded, and requests made of them."""

import base64
import copy
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECRET = "lab-webhook-secret"
SAMPLES = Path(__file__).parents[2] / "samples" / "mautic"
# These two were delivered to an address without our secret.
_SIGNED_BY_ANOTHER = {"97_hook_email_on_open_first", "97_hook_email_on_open_second"}


@dataclass(frozen=True)
class Hook:
    """One request: its name, the raw body, and the headers with lower-case names."""

    name: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def is_signed_for_us(self) -> bool:
        """Whether the recorded signature was made with SECRET."""
        return self.name not in _SIGNED_BY_ANOTHER

    @property
    def content(self) -> dict[str, Any]:
        """The body, read; a copy of one's own."""
        read: dict[str, Any] = json.loads(self.body)
        return read


def recorded(name: str) -> Hook:
    """One recording by its file name without suffix."""
    request = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))["webhook_request"]
    return Hook(name, request["body_raw"].encode(), {key.lower(): value for key, value in request["headers"]})


def all_recorded() -> list[Hook]:
    """Every delivery that stands in the samples."""
    names = [path.stem for path in sorted(SAMPLES.glob("*.json"))]
    return [recorded(name) for name in names if "webhook_request" in json.loads((SAMPLES / f"{name}.json").read_text())]


def body_of(content: object) -> bytes:
    """As PHP writes it: no spaces, `/` and non-ASCII escaped."""
    return json.dumps(content, separators=(",", ":")).replace("/", r"\/").encode()


def sign(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Mautic's signature header."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"webhook-signature": base64.b64encode(digest).decode()}


def http_event(body: bytes, *, headers: Mapping[str, str] | None = None, method: str = "POST") -> dict[str, Any]:
    """An HTTP API event (payload 2.0); signed for us unless `headers` says something else."""
    signed = sign(body) if headers is None else headers
    return {
        "version": "2.0",
        "rawPath": "/webhooks/mautic",
        "headers": {"content-type": "application/json", "user-agent": "GuzzleHttp/7", **signed},
        "requestContext": {"http": {"method": method, "path": "/webhooks/mautic"}},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def subscription(
    *,
    contact_id: int = 88,
    email: str = "hook.one@example.com",
    channel: str = "email",
    old: str = "contactable",
    new: str = "unsubscribed",
    at: str = "2026-11-20T12:22:55+00:00",
    comments: str = "User unsubscribed.",
    supabase_id: str | None = None,
    mobile: str | None = None,
) -> dict[str, Any]:
    """One event of mautic.lead_channel_subscription_changed, made of the recorded one."""
    event = _first("97_hook_unsubscribe_get__lead_channel_subscription_changed", "lead_channel_subscription_changed")
    core = event["contact"]["fields"]["core"]
    core["email"]["value"], core["supabase_id"]["value"] = email, supabase_id
    core["mobile"]["value"] = mobile
    reason = {"unsubscribed": 1, "bounced": 2, "manual": 3}.get(new)
    entry = {"id": 12, "reason": reason, "comments": comments, "channel": channel, "channelId": 1}
    event["contact"] |= {"id": contact_id, "doNotContact": [entry] if reason else []}
    event |= {"channel": channel, "old_status": old, "new_status": new, "timestamp": at}
    return event


def opened(*, contact_id: int = 88, email: str = "hook.one@example.com", tracking: str = "t1", count: int = 1) -> Any:
    """One event of mautic.email_on_open, made of the recorded one."""
    event = _first("97_hook_email_on_open_first", "email_on_open")
    event["stat"] |= {"emailAddress": email, "trackingHash": tracking, "openCount": count}
    event["stat"]["lead"]["id"] = contact_id
    event["stat"]["lead"]["fields"]["core"]["email"]["value"] = email
    return event


def deleted(contact_id: int, at: str = "2026-11-20T12:25:25+00:00") -> dict[str, Any]:
    """One event of mautic.lead_post_delete, made of the recorded one."""
    return _first("95_hook_delete__lead_post_delete", "lead_post_delete") | {"id": contact_id, "timestamp": at}


def delivery(**events: list[Any]) -> bytes:
    """A body with these events, named without `mautic.`."""
    return body_of({f"mautic.{name}": of_name for name, of_name in events.items()})


def _first(recording: str, name: str) -> dict[str, Any]:
    event: dict[str, Any] = copy.deepcopy(recorded(recording).content[f"mautic.{name}"][0])
    return event
