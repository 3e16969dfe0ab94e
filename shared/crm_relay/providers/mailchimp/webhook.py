"""Deliveries of an audience's webhook: let in by the token in their path and, where agreed, a signature; then read.

https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/ - a form without an id of the event and,
unless the webhook was made with a signing secret, without a signature. A delivery that is not answered within ten
seconds comes again for about 75 minutes.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import parse_qsl
from uuid import UUID

from crm_relay.platform.errors import RejectedInput

ROUTE = "/webhooks/mailchimp/"
"""In front of a token."""

SIGNATURE_HEADER = "x-mailchimp-signature"
_TOLERANCE_SECONDS = 300
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")
_MOST_FIELDS = 500

Effect = Literal["unsubscribed", "undeliverable", "changed", "ignored", "unknown"]

EFFECTS: Mapping[str, Effect] = {
    "unsubscribe": "unsubscribed",
    "cleaned": "undeliverable",
    "subscribe": "changed",
    "profile": "changed",
    "upemail": "changed",
    "campaign": "ignored",
}
"""Mailchimp's word -> what it means here. `changed`: the next sync reads it, and is brought forward."""


@dataclass(frozen=True)
class AudienceEvent:
    """One delivery. `fired_at`: when Mailchimp says that it happened, the time of receipt where it does not."""

    kind: str
    effect: Effect
    list_id: str
    address: str | None = field(repr=False)
    fired_at: datetime


def webhook_token(connection: UUID, secrets: Sequence[str]) -> str:
    """What stands in the path of a connection's webhook, by the first of the keys."""
    return _token(connection, secrets[0])


def connection_of(token: str, secrets: Sequence[str]) -> UUID | None:
    """Whose token it is, without asking anybody; None for one that no key has made."""
    if not _TOKEN.fullmatch(token):
        return None
    try:
        connection = UUID(bytes=base64.urlsafe_b64decode(token + "=")[:16])
    except ValueError:
        return None
    # Every key is tried, whatever the others said.
    good = [hmac.compare_digest(_token(connection, each), token) for each in secrets]
    return connection if any(good) else None


def ensure_signed(body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now: datetime) -> None:
    """Nothing to do where no signing secret is configured. Raises RejectedInput with 401."""
    if not secrets:
        return
    found = _SIGNATURE.fullmatch(headers.get(SIGNATURE_HEADER, ""))
    if found is None or abs(now.timestamp() - int(found[1])) > _TOLERANCE_SECONDS:
        raise RejectedInput("the signature is missing, malformed or too old", status=401)
    signed = f"{found[1]}.".encode() + body
    good = [
        hmac.compare_digest(hmac.new(each.encode(), signed, hashlib.sha256).hexdigest(), found[2]) for each in secrets
    ]
    if not any(good):
        raise RejectedInput("the signature is wrong", status=401)


def parse(body: bytes, *, now: datetime) -> AudienceEvent:
    """Raises RejectedInput with 400 that names the field, where the event or its person is missing."""
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise _unreadable("the body is no form") from None
    kind, list_id = fields.get("type", ""), fields.get("data[list_id]", "")
    if not kind:
        raise _unreadable("type: missing")
    effect = EFFECTS.get(kind, "unknown")
    is_tidied = fields.get("data[action]", "unsub") != "unsub" and fields.get("data[reason]") != "abuse"
    if effect == "unsubscribed" and is_tidied:
        # Somebody archived or deleted the member: that is no wish of theirs. A complaint always is.
        effect = "changed"
    address = fields.get("data[email]") or fields.get("data[new_email]")
    if effect in {"unsubscribed", "undeliverable"} and not address:
        raise _unreadable("data[email]: missing")
    if effect in {"unsubscribed", "undeliverable", "changed"} and not list_id:
        raise _unreadable("data[list_id]: missing")
    return AudienceEvent(kind[:40], effect, list_id, address, _moment(fields.get("fired_at", "")) or now)


def _token(connection: UUID, secret: str) -> str:
    mark = hmac.new(secret.encode(), b"mailchimp-webhook:" + connection.bytes, hashlib.sha256).digest()[:16]
    return base64.urlsafe_b64encode(connection.bytes + mark).rstrip(b"=").decode()


def _moment(text: str) -> datetime | None:
    """`2009-03-26 21:40:57`, in UTC without saying so."""
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _unreadable(detail: str) -> RejectedInput:
    return RejectedInput("the delivery cannot be read", details=[detail])
