"""Deliveries of EmailBison's webhooks: let in by the token in their path, then read.

https://docs.emailbison.com/webhooks/events-deliveries-and-attempts - a delivery that is not answered 200 within 15
seconds comes again. It carries no id and no signature, so the token says whose it is, and the event's own identity
makes a redelivery harmless.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.untrusted_json import read_json_object
from crm_relay.providers.bison.events import BisonDelivery, Verdict
from crm_relay.providers.bison.mapping_webhook import read_event
from crm_relay.providers.bison.tokens import WebhookToken
from crm_relay.providers.bison.vocabulary import HANDLED_EVENTS, IGNORED_EVENTS
from crm_relay.providers.bison.wire_webhook import Head, open_envelope

Tokens = Mapping[str, Sequence[WebhookToken]]


def receive(body: bytes, token: str, *, tokens: Tokens, now: datetime) -> tuple[str, BisonDelivery]:
    """Our name of the workspace whose token it is, and what was delivered.

    Raises RejectedInput: 401 for a token that is unknown, retired or empty or where none is configured, else 400.
    Whether the body's workspace is the one of the token is the caller's to ask.
    """
    workspace = workspace_of(token, tokens, now)
    if workspace is None:
        raise RejectedInput("unknown token", status=401)
    return workspace, parse(body, now=now)


def workspace_of(token: str, tokens: Tokens, now: datetime) -> str | None:
    """Our name of the workspace that a token belongs to; None for one that is unknown, retired or empty."""
    owner = owner_of(token, tokens, now)
    return owner.workspace if owner is not None and owner.is_alive else None


@dataclass(frozen=True)
class TokenOwner:
    """Whose token it is; not `is_alive`: it was theirs, and is retired."""

    workspace: str
    is_alive: bool


def owner_of(token: str, tokens: Tokens, now: datetime) -> TokenOwner | None:
    """None for a token that is unknown or empty."""
    given = _digest(token)
    # Every comparison is made, whatever the others said, and all are of one length.
    found = [
        TokenOwner(workspace, each.is_alive(now))
        for workspace, some in tokens.items()
        for each in some
        if hmac.compare_digest(_digest(each.token), given)
    ]
    return max(found, key=lambda owner: owner.is_alive) if found and token else None


def parse(body: bytes, *, now: datetime) -> BisonDelivery:
    """What a delivery says that was let in before, such as a deferred one. `now` is the time of receipt.

    Raises RejectedInput with 400 where it cannot be told what happened and whose it is; the details name the field.
    """
    opened = open_envelope(read_json_object(body))
    if opened is None:
        raise _unreadable("event: missing")
    head, data = _head(opened[0]), opened[1]
    verdict, event = _verdict(head.type), None
    if verdict == "handled":
        event = read_event(head.type, _object(data), now=now)
    return BisonDelivery(head.type, head.workspace_id, head.workspace_name, head.instance_host, event, verdict)


def _verdict(event_type: str) -> Verdict:
    if event_type in HANDLED_EVENTS:
        return "handled"
    return "ignored" if event_type in IGNORED_EVENTS else "unknown"


def _head(event: dict[str, Any]) -> Head:
    try:
        return Head.model_validate(event)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        raise _unreadable(*(f"event.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)) from None


def _object(data: Any) -> dict[str, Any]:
    # PHP writes an empty object as a list.
    if data is None or data == []:
        return {}
    if not isinstance(data, dict):
        raise _unreadable("data: not an object")
    return data


def _unreadable(*details: str) -> RejectedInput:
    return RejectedInput("the delivery cannot be read", details=details)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
