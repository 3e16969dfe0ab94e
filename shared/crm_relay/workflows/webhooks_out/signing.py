"""Signatures as Standard Webhooks 1.0 has them.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.platform.errors import RejectedInput

_PREFIX = "whsec_"


def signed_headers(webhook_id: UUID, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The three headers; without a secret the two that need none. One signature a secret, all in one header.

    The id is the same over all attempts, so a receiver knows a repetition by it. Raises RejectedInput for a secret that
    begins with `whsec_` and is not base64.
    """
    headers = {"webhook-id": str(webhook_id), "webhook-timestamp": str(int(now.timestamp()))}
    if secrets:
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        headers["webhook-signature"] = " ".join(_signature(content, secret) for secret in secrets)
    return headers


def _signature(content: bytes, secret: str) -> str:
    digest = hmac.digest(_key(secret), content, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    """`whsec_` announces base64; any other secret is its own bytes."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise RejectedInput("secret: what follows whsec_ is not base64") from None
    if not key:
        raise RejectedInput("secret: is empty")
    return key
