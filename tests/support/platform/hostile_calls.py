"""Calls by somebody without a right: wrong and alternating credentials, and bodies that cost whoever looks at them."""

import base64
import gzip
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LARGE = 4_400_000
MADE_UP = "Made-up Workspace"
KNOWN = "Northwind"
_RANDOM = random.Random(20261130)


@dataclass(frozen=True)
class HostileBody:
    """As API Gateway brings it: `raw` is text, or base64 of `size` bytes."""

    name: str
    raw: str
    is_base64: bool
    size: int
    headers: Mapping[str, str]


def _encoded(name: str, body: bytes, **headers: str) -> HostileBody:
    return HostileBody(name, base64.b64encode(body).decode(), True, len(body), headers)


def hostile_bodies() -> list[HostileBody]:
    """Each is dear to whoever decodes, unpacks, parses or believes it."""
    claims = {"event": {"type": "EMAIL_SENT", "workspace_id": 17, "workspace_name": MADE_UP}, "data": {}}
    deep = "[" * 1_000_000
    return [
        _encoded("large", _RANDOM.randbytes(LARGE)),
        _encoded("gzip bomb", gzip.compress(b"0" * 50_000_000), **{"content-encoding": "gzip"}),
        HostileBody("deep", deep, False, len(deep), {}),
        HostileBody("no base64", "=" * LARGE, True, LARGE, {}),
        HostileBody("claims a name", json.dumps(claims), False, len(json.dumps(claims)), {}),
        HostileBody("large text", "é" * (LARGE // 2), False, LARGE, {}),
    ]


Credentials = Callable[[int], tuple[Mapping[str, str], Mapping[str, str]]]
"""Number of the call -> its headers, and the parameters of its path."""


def _digest() -> str:
    return base64.b64encode(_RANDOM.randbytes(32)).decode()


def signed_by_mautics_enemy(_number: int) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Of the right form."""
    return {"webhook-signature": _digest(), "x-origin-base-url": f"https://{MADE_UP}.example.com"}, {}


def signed_by_resends_enemy(number: int) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Of the right form, and of this moment."""
    signature = f"v1,{_digest()}"
    return {"svix-id": f"msg_{number}", "svix-timestamp": str(int(time.time())), "svix-signature": signature}, {}


def guessed_path(number: int) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Another token with each call."""
    return {}, {"token": f"stranger-{number:032d}"}


def guessed_bearer(number: int) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Another token with each call, of the form of ours."""
    return {"authorization": f"Bearer crm_relay_{number:043d}"}, {}


@dataclass(frozen=True)
class Door:
    """`paths` are what somebody may ask for; `statuses` what they are answered. `reads_body`: a signature needs it."""

    credentials: Credentials
    statuses: frozenset[int]
    paths: tuple[str, ...] = ()
    reads_body: bool = False
    method: str = "POST"


_REFUSED = frozenset({401, 413})

DOORS: Mapping[str, Door] = {
    "/webhooks/mautic": Door(signed_by_mautics_enemy, _REFUSED | {400}, reads_body=True),
    "/webhooks/bison/{token}": Door(guessed_path, _REFUSED),
    "/webhooks/mailchimp/{token}": Door(guessed_path, frozenset({401, 413, 415})),
    "/webhooks/resend": Door(signed_by_resends_enemy, _REFUSED | {400}, reads_body=True),
    "/unsubscribe/{token}": Door(guessed_path, frozenset({404, 413, 503})),
    "/approvals/{token}": Door(guessed_path, frozenset({404, 413, 415, 503})),
    "/oauth/{proxy+}": Door(
        guessed_bearer,
        frozenset({400, 404}),
        paths=("/oauth/airtable/start", "/oauth/airtable/callback", "/oauth/nobody/start", "/oauth/x"),
        method="GET",
    ),
    "/api/connections/keys": Door(guessed_bearer, _REFUSED),
    "/api/connections/{id}/choices/{kind}": Door(
        guessed_bearer,
        _REFUSED,
        paths=("/api/connections/00000000-0000-4000-8000-000000000000/choices/base",),
        method="GET",
    ),
    "/api/sync/mautic": Door(guessed_bearer, _REFUSED),
    "/api/{proxy+}": Door(
        guessed_bearer,
        _REFUSED,
        paths=(
            "/api/emails",
            "/api/campaigns",
            "/api/sync/full",
            "/api/integrity/check",
            f"/api/tokens/{KNOWN}/revoke",
        ),
    ),
    "/health": Door(guessed_bearer, frozenset({200}), method="GET"),
    "/": Door(guessed_bearer, frozenset({302}), method="GET"),
    "/dashboard": Door(guessed_bearer, frozenset({200}), method="GET"),
    "/dashboard/{file}": Door(
        guessed_bearer, frozenset({200, 404}), paths=("/dashboard/app.js", "/dashboard/x.js"), method="GET"
    ),
}
"""Every route of the template; a new one has to say here what a stranger can do at it."""


def hostile_event(door: Door, route: str, number: int, body: HostileBody | None) -> dict[str, Any]:
    """One call; each has other credentials and another path than the one before it."""
    headers, parameters = door.credentials(number)
    path = door.paths[number % len(door.paths)] if door.paths else route.format(**parameters)
    content = "application/json"
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": content, **headers, **(body.headers if body else {})},
        "requestContext": {"http": {"method": door.method, "path": path}},
    }
    if parameters:
        event["pathParameters"] = dict(parameters)
    if body is not None and door.method != "GET":
        event |= {"body": body.raw, "isBase64Encoded": body.is_base64}
    return event
