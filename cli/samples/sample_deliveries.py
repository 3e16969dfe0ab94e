"""Sample deliveries of each webhook source, signed as its provider signs them."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import Field

from crm_relay.platform.errors import FatalError, RejectedInput
from crm_relay.platform.settings import CommaSeparated, SettingsModel
from crm_relay.providers.bison.tokens import WebhookTokens
from crm_relay.providers.mailchimp.webhook import SIGNATURE_HEADER, webhook_token
from crm_relay.sources import bison, mailchimp, mautic, resend

_SVIX_PREFIX = "whsec_"
SAMPLE_CONNECTION = UUID("6f1d2c3b-4a59-4e68-9b70-8c1d2e3f4a5b")
"""Of the files in events/mailchimp_webhook."""

_CLAIMS = ("workspace_id", "workspace_name", "instance_url")


class SigningSettings(SettingsModel):
    """What a provider knows of an installation: its address and the secrets that it signs with."""

    public_url: str | None = None
    mautic_webhook_secret: CommaSeparated = ()
    resend_webhook_secret: CommaSeparated = ()
    bison_webhook_tokens: WebhookTokens = Field(default_factory=dict)
    mailchimp_webhook_key: CommaSeparated = ()
    mailchimp_signing_secrets: CommaSeparated = ()


@dataclass(frozen=True)
class SampleRequest:
    """A POST as the provider would send it; `path` begins with a slash."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Signer:
    """How a delivery of one source is signed. `sample` is a file of `events/`; the last argument: which workspace."""

    source: str
    sample: str
    sign: Callable[[bytes, SigningSettings, datetime, str | None], SampleRequest]


def read_body(file: Path) -> bytes:
    """The body of an event as Lambda gets it, or the whole file where it is a recorded body.

    Raises RejectedInput for a file that is not JSON.
    """
    content = file.read_bytes()
    try:
        event = json.loads(content)
    except ValueError:
        raise RejectedInput(f"{file} is not JSON") from None
    if not isinstance(event, dict) or "requestContext" not in event:
        return content
    body = str(event.get("body") or "")
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def _sign_mautic(body: bytes, settings: SigningSettings, _now: datetime, _workspace: str | None) -> SampleRequest:
    secret = _first(settings.mautic_webhook_secret, "MAUTIC_WEBHOOK_SECRET")
    signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return SampleRequest("/webhooks/mautic", {"webhook-signature": signature}, body)


def _sign_bison(body: bytes, settings: SigningSettings, now: datetime, workspace: str | None) -> SampleRequest:
    tokens = settings.bison_webhook_tokens
    name = workspace or _first(tuple(tokens), "BISON_WEBHOOK_TOKENS")
    if name not in tokens:
        raise RejectedInput("a workspace without a token in BISON_WEBHOOK_TOKENS")
    alive = tuple(each.token for each in tokens[name] if each.is_alive(now))
    return SampleRequest(f"/webhooks/bison/{_first(alive, 'BISON_WEBHOOK_TOKENS')}", {}, _without_claims(body))


def _without_claims(body: bytes) -> bytes:
    """The same event of no particular workspace: one that names another than the token's is refused."""
    return json.dumps(_without(_CLAIMS, json.loads(body))).encode()


def _without(names: tuple[str, ...], node: Any) -> Any:
    if isinstance(node, list):
        return [_without(names, each) for each in node]
    if isinstance(node, dict):
        return {name: _without(names, each) for name, each in node.items() if name not in names}
    return node


def _sign_resend(body: bytes, settings: SigningSettings, now: datetime, _workspace: str | None) -> SampleRequest:
    secret = _first(settings.resend_webhook_secret, "RESEND_WEBHOOK_SECRET").removeprefix(_SVIX_PREFIX)
    key = base64.b64decode(secret + "=" * (-len(secret) % 4))
    delivery_id, timestamp = f"msg_{secrets.token_hex(12)}", str(int(now.timestamp()))
    content = f"{delivery_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return SampleRequest(
        "/webhooks/resend",
        {"svix-id": delivery_id, "svix-timestamp": timestamp, "svix-signature": f"v1,{signature}"},
        body,
    )


def _sign_mailchimp(body: bytes, settings: SigningSettings, now: datetime, workspace: str | None) -> SampleRequest:
    """`workspace`: the id of a connection. Of one that is not there only events without an effect are taken."""
    key = _first(settings.mailchimp_webhook_key, "MAILCHIMP_WEBHOOK_KEY")
    try:
        connection = UUID(workspace) if workspace else SAMPLE_CONNECTION
    except ValueError:
        raise RejectedInput("the id of a connection is a UUID") from None
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if settings.mailchimp_signing_secrets:
        timestamp = str(int(now.timestamp()))
        signed = f"{timestamp}.".encode() + body
        signature = hmac.new(settings.mailchimp_signing_secrets[0].encode(), signed, hashlib.sha256).hexdigest()
        headers[SIGNATURE_HEADER] = f"t={timestamp},v1={signature}"
    return SampleRequest(f"/webhooks/mailchimp/{webhook_token(connection, [key])}", headers, body)


def _first(values: tuple[str, ...], name: str) -> str:
    if not values:
        raise FatalError(f"settings: {name}: is not set")
    return values[0]


SIGNERS: Mapping[str, Signer] = {
    each.source: each
    for each in (
        Signer(mautic.NAME, "mautic_webhook/email_open.json", _sign_mautic),
        Signer(bison.NAME, "bison_webhook/email_sent.json", _sign_bison),
        Signer(resend.NAME, "resend_webhook/delivered.json", _sign_resend),
        Signer(mailchimp.NAME, "mailchimp_webhook/campaign.json", _sign_mailchimp),
    )
}
"""All sources but unsubscribe, whose requests carry the token of a mail instead."""
