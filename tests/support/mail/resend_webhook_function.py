"""The function resend_webhook as Lambda would call it, and deliveries for it."""

import base64
import hashlib
import hmac
import json
import time
from itertools import count
from typing import Any

import pytest

from resend_webhook import wiring
from resend_webhook.handler import handler
from tests.support.customers.mautic_hooks import http_event
from tests.support.function_settings import WITHOUT_AWS, give_settings

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, 24").decode()
ANOTHER = "whsec_" + base64.b64encode(b"another secret of the tests").decode()
ENVIRONMENT = WITHOUT_AWS | {"RESEND_WEBHOOK_SECRET": SECRET}
_NUMBERS = count(1)


def configure(monkeypatch: pytest.MonkeyPatch, database_url: str, **settings: str) -> None:
    """Settings of the function in this environment, with an AWS that is away unless `settings` names one."""
    give_settings(monkeypatch, wiring.installation, ENVIRONMENT | settings | {"DATABASE_URL": database_url})


def signed(
    body: bytes, *secrets: str, delivery_id: str | None = None, seconds_ago: int = 0, version: str = "v1"
) -> dict[str, str]:
    """Svix's three headers, with one signature a secret."""
    delivery_id, stamp = delivery_id or f"msg_{next(_NUMBERS)}", str(int(time.time()) - seconds_ago)
    content = b".".join((delivery_id.encode(), stamp.encode(), body))
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets or (SECRET,)]
    marks = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys]
    signature = " ".join(f"{version},{mark}" for mark in marks)
    return {"svix-id": delivery_id, "svix-timestamp": stamp, "svix-signature": signature}


def deliver(body: bytes, headers: dict[str, str] | None = None, **event: Any) -> dict[str, Any]:
    """The JSON answer to a delivery, with its `status`."""
    headers = {"content-type": "application/json", **(signed(body) if headers is None else headers)}
    response = handler(http_event(body, headers=headers) | {"rawPath": "/webhooks/resend"} | event, None)
    answer: dict[str, Any] = json.loads(response["body"] or "{}")
    return answer | {"status": response["statusCode"]}


def mail_event(kind: str, email_id: str = "em_1", *, send: object = None, at: str | None = None, **data: Any) -> bytes:
    """The body of one event about a mail."""
    content = {"email_id": email_id, "to": ["ada@example.com"], "subject": "Hello"} | data
    tags = {} if send is None else {"tags": {"send": str(send)}}
    envelope = {"type": f"email.{kind}", "created_at": at or "2026-11-16T15:01:00.000Z", "data": content | tags}
    return json.dumps(envelope).encode()
