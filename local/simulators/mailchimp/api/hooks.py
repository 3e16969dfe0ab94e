"""Webhooks of an audience: how they are added, and what they report [E]."""

from __future__ import annotations

import hashlib
import hmac
import threading
from typing import Any
from urllib.parse import urlencode

import requests

from local.simulators.mailchimp.state import (
    MailchimpState,
    SimulatedAudience,
    SimulatedAudienceHook,
    SimulatedMember,
    new_id,
)
from local.simulators.mailchimp.wire import MailchimpRequest, MailchimpResponse, invalid

_SECONDS = 10


def list_hooks(audience: SimulatedAudience) -> MailchimpResponse:
    found = [each.shown for each in audience.hooks]
    return MailchimpResponse(200, {"webhooks": found, "list_id": audience.id, "total_items": len(found)})


def add_hook(state: MailchimpState, audience: SimulatedAudience, request: MailchimpRequest) -> MailchimpResponse:
    """The address is asked with a GET first, and has to answer 200."""
    body = request.object
    url = str(body.get("url", ""))
    try:
        answer = requests.get(url, timeout=_SECONDS).status_code
    except requests.RequestException:
        answer = 0
    if answer != 200:
        raise invalid("url", "The URL you entered did not answer")
    secret = new_id() * 4 if state.signs_hooks else None
    made = SimulatedAudienceHook(new_id(), url, body.get("events", {}), body.get("sources", {}), secret)
    audience.hooks.append(made)
    said = made.shown | ({"signing_secret": secret} if secret else {})
    return MailchimpResponse(200, said | {"list_id": audience.id})


def body_of(kind: str, fired_at: str, data: dict[str, Any]) -> bytes:
    """`type`, `fired_at`, and `data[...]`, of which `merges` has names of its own."""
    pairs = [("type", kind), ("fired_at", fired_at)]
    for name, value in data.items():
        if isinstance(value, dict):
            pairs += [(f"data[{name}][{inner}]", str(each)) for inner, each in value.items()]
        else:
            pairs.append((f"data[{name}]", str(value)))
    return urlencode(pairs).encode()


def data_of(audience: SimulatedAudience, member: SimulatedMember, **more: Any) -> dict[str, Any]:
    shown = member.shown(audience)
    merges = {"EMAIL": member.address, **shown["merge_fields"]}
    return {
        **more,
        "id": shown["unique_email_id"],
        "email": member.address,
        "email_type": "html",
        "ip_opt": "10.20.10.30",
        "web_id": "215",
        "merges": merges,
        "list_id": audience.id,
    }


def fire(state: MailchimpState, audience: SimulatedAudience, kind: str, data: dict[str, Any], source: str) -> None:
    """To every hook that wants it; answers are not waited for."""
    now = state.now()
    body = body_of(kind, f"{now:%Y-%m-%d %H:%M:%S}", data)
    for hook in audience.hooks:
        if hook.events.get(kind) and hook.sources.get(source):
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            if hook.signing_secret:
                headers["X-Mailchimp-Signature"] = signature(hook.signing_secret, int(now.timestamp()), body)
            threading.Thread(target=_post, args=(hook.url, body, headers), daemon=True).start()


def signature(secret: str, at: int, body: bytes) -> str:
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
    try:
        requests.post(url, data=body, headers=headers, timeout=_SECONDS)
    except requests.RequestException:
        # Retries of 75 minutes are not worth a thread here: polling finds it.
        return
