"""Consent, tokens that never expire, and where an account's API is [E]."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from local.simulators.mailchimp.state import MailchimpState
from local.simulators.mailchimp.wire import MailchimpRequest, MailchimpResponse


def authorize(state: MailchimpState, request: MailchimpRequest) -> MailchimpResponse:
    """The person says yes at once. PKCE is not known there and passed over."""
    query = request.query
    client = state.clients.get(query.get("client_id", ""))
    if client is None or query.get("redirect_uri") != client[1] or query.get("response_type") != "code":
        return MailchimpResponse(400, {"error": "invalid_request"})
    code = secrets.token_hex(16)
    state.codes[code] = (query["client_id"], client[1])
    back = urlencode({"code": code, **({"state": query["state"]} if "state" in query else {})})
    return MailchimpResponse(302, b"", {"Location": f"{client[1]}?{back}"})


def token(state: MailchimpState, request: MailchimpRequest) -> MailchimpResponse:
    form = request.form
    known = state.codes.pop(form.get("code", ""), None)
    client = state.clients.get(form.get("client_id", ""))
    if client is None or form.get("client_secret") != client[0]:
        return MailchimpResponse(401, {"error": "invalid_client"})
    if form.get("grant_type") != "authorization_code" or known != (form["client_id"], form.get("redirect_uri")):
        return MailchimpResponse(400, {"error": "invalid_grant"})
    return MailchimpResponse(200, {"access_token": issue(state), "expires_in": 0, "scope": None})


def issue(state: MailchimpState) -> str:
    made = secrets.token_hex(16)
    state.tokens.add(made)
    return made


def metadata(state: MailchimpState, request: MailchimpRequest) -> MailchimpResponse:
    if request.header("Authorization").removeprefix("OAuth ") not in state.tokens:
        return MailchimpResponse(401, {"error": "invalid_token"})
    return MailchimpResponse(200, {"dc": state.center, "api_endpoint": request.base_url, "accountname": "Northwind"})
