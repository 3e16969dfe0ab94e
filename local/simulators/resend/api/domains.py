"""`GET /domains` and `GET /domains/{id}`: those that mail may be sent from [O]."""

from __future__ import annotations

import uuid

from local.simulators.resend.api.sent import page_of
from local.simulators.resend.state import ResendAccount
from local.simulators.resend.wire import Json, ResendApiError, ResendRequest, ResendResponse

_AT_FIRST = "example.com"
"""What an account has where every domain may be sent from."""


def list_all(account: ResendAccount, request: ResendRequest) -> ResendResponse:
    return page_of([_listed(name) for name in _names(account)], request)


def get(account: ResendAccount, request: ResendRequest, domain_id: str) -> ResendResponse:
    """With the records that prove it."""
    del request
    name = next((name for name in _names(account) if _id(name) == domain_id), None)
    if name is None:
        raise ResendApiError(404, "not_found", "Domain not found")
    proof = {"record": "DKIM", "name": f"resend._domainkey.{name}", "type": "TXT", "ttl": "Auto", "status": "verified"}
    return ResendResponse(200, {"object": "domain", **_listed(name), "records": [{**proof, "value": "p=MIGf"}]})


def _names(account: ResendAccount) -> list[str]:
    return sorted({_AT_FIRST} if account.verified_domains is None else account.verified_domains)


def _id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def _listed(name: str) -> Json:
    return {
        "id": _id(name),
        "name": name,
        "status": "verified",
        "created_at": "2026-01-01 00:00:00.000+00",
        "region": "us-east-1",
        "open_tracking": False,
        "click_tracking": False,
        "capabilities": {"sending": "enabled", "receiving": "enabled"},
    }
