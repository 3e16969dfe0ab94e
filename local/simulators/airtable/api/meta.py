"""Who asks, and which bases and tables they may see: https://airtable.com/developers/web/api/get-base-schema [D]."""

from __future__ import annotations

from local.simulators.airtable.state import AirtableState, SimulatedGrant
from local.simulators.airtable.wire import AirtableRequest, AirtableResponse, Json, no_permission


def whoami(account: AirtableState, grant: SimulatedGrant) -> AirtableResponse:
    """`scopes` for OAuth only, `email` with the scope user.email:read [D]."""
    del account
    answer: Json = {"id": grant.user_id}
    if grant.may("user.email:read"):
        answer["email"] = grant.email
    if grant.client_id is not None:
        answer["scopes"] = sorted(grant.scopes)
    return AirtableResponse(200, answer)


def list_bases(account: AirtableState, grant: SimulatedGrant, request: AirtableRequest) -> AirtableResponse:
    _may_read_schema(grant)
    with account.lock:
        seen = [each for each in account.bases.values() if grant.bases is None or each.id in grant.bases]
        size = account.bases_per_page
    start = int(request.query.get("offset", "itr/0").rpartition("/")[2])
    answer: Json = {
        "bases": [
            {"id": each.id, "name": each.name, "permissionLevel": each.permission_level}
            for each in seen[start : start + size]
        ]
    }
    if start + size < len(seen):
        answer["offset"] = f"itrBases/{start + size}"
    return AirtableResponse(200, answer)


def list_tables(account: AirtableState, grant: SimulatedGrant, base_id: str) -> AirtableResponse:
    _may_read_schema(grant)
    with account.lock:
        return AirtableResponse(200, {"tables": [each.schema for each in account.base(base_id, grant).tables]})


def _may_read_schema(grant: SimulatedGrant) -> None:
    if not grant.may("schema.bases:read"):
        raise no_permission()
