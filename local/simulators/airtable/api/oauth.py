"""Consent and tokens: https://airtable.com/developers/web/api/oauth-reference [D].

A refresh token is good once: a second use ends the grant. A refresh ends the access token before
(PipedreamHQ/pipedream#8727) [I].
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode

from local.simulators.airtable.state import AirtableState, OAuthClient, SimulatedGrant, new_id
from local.simulators.airtable.wire import AirtableApiError, AirtableRequest, AirtableResponse, Json, oauth_error

_CODE_SECONDS = 300  # assumed


def authorize(account: AirtableState, request: AirtableRequest) -> AirtableResponse:
    """The person says yes at once, or no where the account's `denies` is set."""
    query = request.query
    client = account.clients.get(query.get("client_id", ""))
    redirect = query.get("redirect_uri", "")
    if client is None or redirect not in client.redirect_uris:
        return AirtableResponse(400, {"error": "invalid_request", "error_description": "client_id or redirect_uri"})
    scopes = frozenset(query.get("scope", "").split())
    error = _problem(query, scopes, client)
    if error is None and account.denies:
        error = "access_denied"
    state = {"state": query["state"]} if "state" in query else {}
    if error is not None:
        return _back(redirect, {"error": error, **state})
    code = secrets.token_urlsafe(24)
    with account.lock:
        account.codes[code] = {
            "client": client.client_id,
            "redirect": redirect,
            "challenge": query["code_challenge"],
            "scopes": scopes,
            "until": account.clock.now() + timedelta(seconds=_CODE_SECONDS),
        }
    # [D] The challenge comes back as well.
    back = {"code": code, **state, "code_challenge": query["code_challenge"], "code_challenge_method": "S256"}
    return _back(redirect, back)


def token(account: AirtableState, request: AirtableRequest) -> AirtableResponse:
    if "form-urlencoded" not in request.header("Content-Type"):
        raise oauth_error(400, "invalid_request", "The content type must be application/x-www-form-urlencoded")
    form = request.form
    client = _client(account, request, form)
    with account.lock:
        if form.get("grant_type") == "authorization_code":
            return _redeem(account, client, form)
        if form.get("grant_type") == "refresh_token":
            return _refresh(account, client, form)
    raise oauth_error(400, "unsupported_grant_type", "grant_type")


def _problem(query: dict[str, str], scopes: frozenset[str], client: OAuthClient) -> str | None:
    if query.get("response_type") != "code":
        return "unsupported_response_type"
    if len(query.get("state", "")) < 16 or query.get("code_challenge_method") != "S256":
        return "invalid_request"
    if len(query.get("code_challenge", "")) != 43:
        return "invalid_request"
    return None if scopes and scopes <= client.scopes else "invalid_scope"


def _back(redirect: str, parameters: dict[str, str]) -> AirtableResponse:
    sign = "&" if "?" in redirect else "?"
    return AirtableResponse(302, b"", {"Location": f"{redirect}{sign}{urlencode(parameters)}"})


def _client(account: AirtableState, request: AirtableRequest, form: dict[str, str]) -> OAuthClient:
    """By Basic where the client has a secret, else by the body [D]."""
    kind, _, credentials = request.header("Authorization").partition(" ")
    client_id, secret = form.get("client_id", ""), None
    if kind == "Basic":
        text = base64.b64decode(credentials).decode()
        client_id, _, given = text.partition(":")
        # RFC 6749: both are form-encoded before they are joined.
        secret = dict(parse_qsl(f"s={given}", keep_blank_values=True)).get("s")
    client = account.clients.get(client_id)
    if client is None or client.secret != secret:
        raise oauth_error(401, "invalid_client", "Client authentication failed")
    return client


def _redeem(account: AirtableState, client: OAuthClient, form: dict[str, str]) -> AirtableResponse:
    known: Json | None = account.codes.pop(form.get("code", ""), None)
    verifier = form.get("code_verifier", "")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if (
        known is None
        or known["client"] != client.client_id
        or known["redirect"] != form.get("redirect_uri")
        or known["challenge"] != challenge
        or not 43 <= len(verifier) <= 128
        or account.clock.now() > known["until"]
    ):
        raise oauth_error(400, "invalid_grant", "The code is not valid")
    grant = SimulatedGrant(new_id("usr"), "owner@northwind.example", known["scopes"], None, client.client_id)
    account.grants.append(grant)
    return AirtableResponse(200, issue(account, grant))


def _refresh(account: AirtableState, client: OAuthClient, form: dict[str, str]) -> AirtableResponse:
    given = form.get("refresh_token", "")
    grant = next(
        (each for each in account.grants if given and (each.refresh_token == given or given in each.spent)), None
    )
    if grant is None or grant.client_id != client.client_id:
        raise _invalid_grant()
    if given in grant.spent:
        grant.revoked = True
    if grant.revoked or (grant.refresh_until is not None and account.clock.now() >= grant.refresh_until):
        raise _invalid_grant()
    grant.spent.add(given)
    return AirtableResponse(200, issue(account, grant))


def _invalid_grant() -> AirtableApiError:
    return oauth_error(400, "invalid_grant", "The refresh token is not valid")


def issue(account: AirtableState, grant: SimulatedGrant) -> Json:
    """New tokens; those before them end."""
    now = account.clock.now()
    grant.access_token, grant.refresh_token = (f"oaa{secrets.token_urlsafe(32)}.v1.{kind}" for kind in "ar")
    grant.access_until = now + timedelta(seconds=account.access_seconds)
    grant.refresh_until = now + timedelta(seconds=account.refresh_seconds)
    return {
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "token_type": "Bearer",
        "scope": " ".join(sorted(grant.scopes)),
        "expires_in": account.access_seconds,
        "refresh_expires_in": account.refresh_seconds,
    }
