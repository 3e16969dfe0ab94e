"""Client credentials, tokens and what Mautic says to those who have none."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from local.simulators.mautic.wire import Json, MauticApiError, MauticRequest, MauticResponse

LIFETIME = timedelta(hours=1)
ADMIN = ("admin", "simulator-password")


class OAuth:
    def __init__(self, client_id: str, client_secret: str, now: Callable[[], datetime]) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.now = now
        self.tokens: dict[str, datetime] = {}

    def issue(self, request: MauticRequest) -> MauticResponse:
        """Form, JSON, HTTP Basic and GET all work; earlier tokens stay valid (recorded: 02_token_*)."""
        sent: Json = {**request.query, **(request.payload if isinstance(request.payload, dict) else {})}
        user, password = basic(request)
        grant = sent.get("grant_type")
        if grant not in {"client_credentials", "password", "authorization_code", "refresh_token"}:
            raise _refused(400, "invalid_request", "Invalid grant_type parameter or parameter missing")
        if (sent.get("client_id", user), sent.get("client_secret", password)) != (self.client_id, self.client_secret):
            raise _refused(400, "invalid_client", "The client credentials are invalid")
        if grant != "client_credentials":
            raise _refused(400, "unauthorized_client", "The grant type is unauthorized for this client_id")
        token = secrets.token_urlsafe(48)
        self.tokens[token] = self.now() + LIFETIME
        seconds = int(LIFETIME.total_seconds())
        body = {"access_token": token, "expires_in": seconds, "token_type": "bearer", "scope": None}
        return MauticResponse(200, body, {"Cache-Control": "no-store, private", "Pragma": "no-cache"})

    def check(self, request: MauticRequest) -> None:
        """recorded: 03_* (three different refusals, none with WWW-Authenticate)"""
        header = request.headers.get("Authorization", "")
        if header.startswith("Basic "):
            if basic(request) != ADMIN:
                raise _refused(401, "access_denied", "Authorization denied, invalid credentials.")
            return
        token = header.removeprefix("Bearer ") if header else request.query.get("access_token", "")
        if not token:
            raise _refused(401, "access_denied", "API authorization denied.")
        expires = self.tokens.get(token)
        if expires is None:
            raise _refused(401, "invalid_grant", "The access token provided is invalid.")
        if expires <= self.now():
            raise _refused(401, "invalid_grant", "The access token provided has expired.")

    def expire_all(self) -> None:
        self.tokens = dict.fromkeys(self.tokens, self.now())


def basic(request: MauticRequest) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Basic":
        return "", ""
    user, _, password = base64.b64decode(encoded).decode().partition(":")
    return user, password


def _refused(status: int, kind: str, message: str) -> MauticApiError:
    return MauticApiError(status, [{"message": message, "code": status, "type": kind}])
