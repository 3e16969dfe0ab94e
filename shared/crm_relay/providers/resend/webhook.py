"""Deliveries of Resend's webhooks: verified over the bytes that came, then read.

Svix delivers them: https://docs.svix.com/receiving/verifying-payloads/how-manual. At least once and in any order; the
svix-id is the same however often a delivery comes, also when it is replayed by hand. For 24 hours after a secret was
rotated there are two signatures (https://resend.com/docs/api-reference/webhooks/rotate-signing-secret).
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.untrusted_json import read_json_object
from crm_relay.providers.email_events import Event
from crm_relay.providers.resend.mapping import read_event
from crm_relay.providers.resend.wire_webhook import ResendEnvelope

TOLERANCE_SECONDS = 300

_PREFIX = "whsec_"
_VERSION = "v1"


def receive(body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str], now: datetime) -> tuple[str, Event]:
    """The svix-id of a delivery that carries a valid signature, and what it says; header names lower-case.

    Raises RejectedInput: 401 as `verify`, else 400.
    """
    delivery_id = verify(headers, body, secrets, now)
    return delivery_id, parse(body, now=now)


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> str:
    """The svix-id, by which the same delivery is known again.

    `secrets` with or without `whsec_`; header names lower-case. Raises RejectedInput with 401: a header is missing, the
    time is more than five minutes away, no signature of version 1 is one of ours, or no usable secret is configured.
    """
    signed = ensure_signed(headers, secrets, now)
    expected = [base64.b64encode(_digest(key, signed, body)) for key in signed.keys]
    # Every comparison is made, whatever the others said.
    results = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in signed.signatures]
    if not any(results):
        raise RejectedInput("invalid signature", status=401)
    return signed.delivery_id


class Signed(NamedTuple):
    """What the headers say of a delivery, and the keys that it may be signed with."""

    delivery_id: str
    timestamp: str
    signatures: list[bytes]
    keys: list[bytes]


def ensure_signed(headers: Mapping[str, str], secrets: Sequence[str], now: datetime) -> Signed:
    """Whether it is worth to read the body: everything that `verify` asks but for the signature itself.

    Raises RejectedInput with 401.
    """
    keys = [key for key in map(_key, secrets) if key]
    if not keys:
        raise RejectedInput("no usable webhook secret is configured", status=401)
    delivery_id, timestamp = headers.get("svix-id", ""), headers.get("svix-timestamp", "")
    given = _signatures(headers.get("svix-signature", ""))
    if not delivery_id or not timestamp or not given:
        raise RejectedInput("a header of the signature is missing", status=401)
    if not _is_recent(timestamp, now):
        raise RejectedInput("the signature's time is not now", status=401)
    return Signed(delivery_id, timestamp, given, keys)


def parse(body: bytes, *, now: datetime) -> Event:
    """What a delivery says that was verified before, such as a deferred one. `now` is the time of receipt.

    Raises RejectedInput with 400 where it cannot be told what happened, and to which person or mail.
    """
    try:
        envelope = ResendEnvelope.model_validate(read_json_object(body))
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        details = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems]
        raise RejectedInput("the delivery cannot be read", details=details) from None
    return read_event(envelope, now=now)


def _digest(key: bytes, signed: Signed, body: bytes) -> bytes:
    """Of id, time and body with a dot between them, without a second copy of the body."""
    running = hmac.new(key, b".".join((_bytes(signed.delivery_id), _bytes(signed.timestamp), b"")), hashlib.sha256)
    running.update(body)
    return running.digest()


def _key(secret: str) -> bytes:
    """Empty for a secret that is none."""
    text = secret.strip().removeprefix(_PREFIX)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _signatures(header: str) -> list[bytes]:
    """Those of version 1; `v1a`, for one, is of another kind."""
    pairs = (part.partition(",") for part in header.split())
    return [_bytes(signature) for version, _, signature in pairs if version == _VERSION and signature]


def _is_recent(timestamp: str, now: datetime) -> bool:
    is_number = timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12
    return is_number and abs(now.timestamp() - int(timestamp)) <= TOLERANCE_SECONDS


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
