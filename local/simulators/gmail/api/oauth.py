"""Consent and tokens: https://developers.google.com/identity/protocols/oauth2/web-server [W].

A refresh is answered without a refresh token; only consent with `access_type=offline` and `prompt=consent` issues one.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import timedelta
from urllib.parse import urlencode

from local.simulators.gmail.state import GoogleClient, GoogleGrant, GoogleState
from local.simulators.gmail.wire import GmailRequest, GmailResponse, Json, OAuthError

_CODE_SECONDS = 600  # assumed


def authorize(google: GoogleState, request: GmailRequest) -> GmailResponse:
    """The person who is signed in says yes at once, or no where `denies` is set."""
    query = request.query
    client = google.clients.get(query.get("client_id", ""))
    redirect = query.get("redirect_uri", "")
    if client is None or redirect not in client.redirect_uris:
        return GmailResponse(400, b"redirect_uri_mismatch", content_type="text/html")
    state = {"state": query["state"]} if "state" in query else {}
    if query.get("response_type") != "code" or not query.get("scope"):
        return GmailResponse(400, b"invalid_request", content_type="text/html")
    if google.denies:
        return _back(redirect, {"error": "access_denied", **state})
    code = f"4/{secrets.token_urlsafe(24)}"
    with google.lock:
        google.codes[code] = {
            "client": client.client_id,
            "redirect": redirect,
            "challenge": query.get("code_challenge"),
            "scopes": frozenset(query["scope"].split()),
            "offline": query.get("access_type") == "offline" and query.get("prompt") == "consent",
            "address": google.signed_in,
            "until": google.clock.now() + timedelta(seconds=_CODE_SECONDS),
        }
    return _back(redirect, {**state, "code": code, "scope": query["scope"]})


def token(google: GoogleState, request: GmailRequest) -> GmailResponse:
    if "form-urlencoded" not in request.header("Content-Type"):
        raise OAuthError(400, "invalid_request", "Bad Request")
    form = request.form
    client = google.clients.get(form.get("client_id", ""))
    if client is None or form.get("client_secret") != client.secret:
        raise OAuthError(401, "invalid_client", "The OAuth client was not found.")
    with google.lock:
        if form.get("grant_type") == "authorization_code":
            return _redeem(google, client, form)
        if form.get("grant_type") == "refresh_token":
            return _refresh(google, client, form)
    raise OAuthError(400, "unsupported_grant_type", "Invalid grant_type")


def revoke(google: GoogleState, request: GmailRequest) -> GmailResponse:
    """Of either token [W]."""
    given = request.form.get("token", "")
    with google.lock:
        found = [each for each in google.grants if each.refresh_token == given or given in each.access]
        for each in found:
            each.revoked = True
    if not found:
        raise OAuthError(400, "invalid_token", "Token expired or revoked")
    return GmailResponse(200, {})


def issue(google: GoogleState, grant: GoogleGrant, *, with_refresh_token: bool) -> Json:
    access = f"ya29.{secrets.token_urlsafe(32)}"
    grant.access[access] = google.clock.now() + timedelta(seconds=google.expires_in)
    answer: Json = {
        "access_token": access,
        "expires_in": google.expires_in,
        "scope": " ".join(sorted(grant.scopes)),
        "token_type": "Bearer",
    }
    return answer | ({"refresh_token": grant.refresh_token} if with_refresh_token else {})


def _back(redirect: str, parameters: dict[str, str]) -> GmailResponse:
    sign = "&" if "?" in redirect else "?"
    return GmailResponse(302, b"", {"Location": f"{redirect}{sign}{urlencode(parameters)}"})


def _redeem(google: GoogleState, client: GoogleClient, form: dict[str, str]) -> GmailResponse:
    known: Json | None = google.codes.pop(form.get("code", ""), None)
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if (
        known is None
        or known["client"] != client.client_id
        or known["redirect"] != form.get("redirect_uri")
        or known["challenge"] not in {None, challenge}
        or google.clock.now() > known["until"]
    ):
        raise OAuthError(400, "invalid_grant", "Malformed auth code.")
    grant = GoogleGrant(known["address"], client.client_id, f"1//{secrets.token_urlsafe(40)}", known["scopes"])
    google.grants.append(grant)
    return GmailResponse(200, issue(google, grant, with_refresh_token=bool(known["offline"])))


def _refresh(google: GoogleState, client: GoogleClient, form: dict[str, str]) -> GmailResponse:
    given = form.get("refresh_token", "")
    grant = next((each for each in google.grants if given and each.refresh_token == given), None)
    if grant is None or grant.revoked or grant.client_id != client.client_id:
        raise OAuthError(400, "invalid_grant", "Token has been expired or revoked.")
    return GmailResponse(200, issue(google, grant, with_refresh_token=False))
