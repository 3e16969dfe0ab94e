"""Members of an audience: listings, changes of one, and batch subscription [O]."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from local.simulators.mailchimp.api.merges import taken
from local.simulators.mailchimp.state import STATUSES, MailchimpState, SimulatedAudience, SimulatedMember, new_id
from local.simulators.mailchimp.wire import (
    Json,
    MailchimpProblem,
    MailchimpRequest,
    MailchimpResponse,
    invalid,
    not_found,
    selected,
)

_WRITTEN_TO = {"subscribed", "pending"}


def list_members(audience: SimulatedAudience, request: MailchimpRequest) -> MailchimpResponse:
    """`since_last_changed` shows what changed after that second (assumed); archived members are among them."""
    query = request.query
    found = sorted(audience.members.values(), key=lambda each: (each.changed, each.contact_id))
    if query.get("sort_dir") == "DESC":
        found.reverse()
    if since := query.get("since_last_changed"):
        at = datetime.fromisoformat(since)
        found = [each for each in found if each.changed.replace(microsecond=0) > at]
    if status := query.get("status"):
        found = [each for each in found if each.status == status]
    count, offset = int(query.get("count", 10)), int(query.get("offset", 0))
    if not 0 <= count <= 1000:
        raise invalid("count", "This value should be 1000 or less.")
    page = [each.shown(audience) for each in found[offset : offset + count]]
    return MailchimpResponse(200, selected({"members": page, "list_id": audience.id, "total_items": len(found)}, query))


def show_member(audience: SimulatedAudience, key: str, request: MailchimpRequest) -> MailchimpResponse:
    member = audience.find(key)
    if member is None:
        raise not_found()
    return MailchimpResponse(200, selected(member.shown(audience), request.query))


def add_member(state: MailchimpState, audience: SimulatedAudience, request: MailchimpRequest) -> MailchimpResponse:
    given = request.object
    if audience.find(str(given.get("email_address", ""))) is not None:
        raise MailchimpProblem(400, "Member Exists", "This address is already a list member. Use PUT.")
    _, member = _subscribed(state, audience, given, request, updates=False)
    return MailchimpResponse(200, member.shown(audience))


def put_member(
    state: MailchimpState, audience: SimulatedAudience, key: str, request: MailchimpRequest
) -> MailchimpResponse:
    """Adds or changes. An archived member counts as a new one (assumed: the harshest reading)."""
    body = request.object
    for name in ("email_address", "status_if_new"):
        if name not in body:
            raise invalid(name, "Required fields were not provided")
    member = audience.find(key)
    if member is None or member.status == "archived":
        _check_status(body["status_if_new"], "status_if_new")
        if member is None and "@" not in key and len(key) != 32:
            raise not_found()
        made = _made(state, audience, str(body["email_address"]), body["status_if_new"], member)
        _change(state, audience, made, body, request)
        return MailchimpResponse(200, made.shown(audience))
    _change(state, audience, member, body, request)
    return MailchimpResponse(200, member.shown(audience))


def patch_member(
    state: MailchimpState, audience: SimulatedAudience, key: str, request: MailchimpRequest
) -> MailchimpResponse:
    member = audience.find(key)
    if member is None:
        raise not_found()
    _change(state, audience, member, request.object, request)
    return MailchimpResponse(200, member.shown(audience))


def archive(state: MailchimpState, audience: SimulatedAudience, key: str) -> MailchimpResponse:
    member = audience.find(key)
    if member is None:
        raise not_found()
    if member.status == "archived":
        raise MailchimpProblem(405, "Method Not Allowed", "This list member cannot be removed.")
    member.status, member.changed = "archived", state.now()
    return MailchimpResponse(204)


def delete_for_good(audience: SimulatedAudience, key: str) -> MailchimpResponse:
    """By the hash alone; the address cannot be imported again [E]."""
    member = audience.find(key, only_hash=True)
    if member is None:
        raise not_found()
    del audience.members[member.contact_id]
    audience.forgotten.add(member.id)
    return MailchimpResponse(204)


def set_tags(
    state: MailchimpState, audience: SimulatedAudience, key: str, request: MailchimpRequest
) -> MailchimpResponse:
    member = audience.find(key, only_hash=True)
    if member is None:
        raise not_found()
    for each in request.object["tags"]:
        if each["status"] == "active" and each["name"] not in member.tags:
            member.tags.append(each["name"])
        elif each["status"] == "inactive" and each["name"] in member.tags:
            member.tags.remove(each["name"])
    member.changed = state.now()
    return MailchimpResponse(204)


def subscribe(state: MailchimpState, audience: SimulatedAudience, request: MailchimpRequest) -> MailchimpResponse:
    """200 also where nobody could be added [O]."""
    body = request.object
    members = body.get("members")
    if not isinstance(members, list) or not 1 <= len(members) <= 500:
        raise invalid("members", "This value should be an array of at most 500 members.")
    answer: Json = {"new_members": [], "updated_members": [], "errors": []}
    for each in members:
        try:
            kind, member = _subscribed(state, audience, each, request, updates=bool(body.get("update_existing")))
        except MailchimpProblem as problem:
            answer["errors"].append(_error(str(each.get("email_address")), problem))
            continue
        answer[kind].append(member.shown(audience, with_contact_id=False))
    answer |= {
        "total_created": len(answer["new_members"]),
        "total_updated": len(answer["updated_members"]),
        "error_count": len(answer["errors"]),
    }
    return MailchimpResponse(200, answer)


def _subscribed(
    state: MailchimpState, audience: SimulatedAudience, given: Json, request: MailchimpRequest, *, updates: bool
) -> tuple[str, SimulatedMember]:
    address = str(given.get("email_address", ""))
    member = audience.find(address)
    if member is not None and not updates:
        raise MailchimpProblem(400, "ERROR_CONTACT_EXISTS", f"{address} is already a list member")
    _check_status(given.get("status"), "status")
    kind = "updated_members"
    if member is None:
        kind, member = "new_members", _made(state, audience, address, given["status"], None)
    try:
        _change(state, audience, member, given, request)
    except MailchimpProblem:
        if kind == "new_members":
            del audience.members[member.contact_id]
            state.created[address.lower()] -= 1
        raise
    return kind, member


def _error(address: str, problem: MailchimpProblem) -> Json:
    code = problem.body["title"] if problem.body["title"].startswith("ERROR_") else "ERROR_GENERIC"
    fields = problem.body.get("errors") or [{"field": "", "message": ""}]
    return {
        "email_address": address,
        "error": problem.body["detail"],
        "error_code": code,
        "field": fields[0]["field"],
        "field_message": fields[0]["message"],
    }


def _made(
    state: MailchimpState, audience: SimulatedAudience, address: str, status: str, archived: SimulatedMember | None
) -> SimulatedMember:
    name, at, host = address.partition("@")
    if not name or not at or "." not in host or " " in address:
        raise MailchimpProblem(
            400, "Invalid Resource", f"{address} looks fake or invalid, please enter a real email address."
        )
    if archived is not None:
        archived.status, archived.changed = status, state.now()
        return archived
    made = SimulatedMember(new_id(), address, status, state.now())
    if made.id in audience.forgotten:
        text = f"{address} was permanently deleted and cannot be re-imported. The contact must re-subscribe."
        raise MailchimpProblem(400, "Forgotten Email Not Subscribed", text)
    audience.members[made.contact_id] = made
    state.created[address.lower()] += 1
    return made


def _change(
    state: MailchimpState, audience: SimulatedAudience, member: SimulatedMember, body: Json, request: MailchimpRequest
) -> None:
    skips = request.query.get("skip_merge_validation") == "true"
    merges = {tag: taken(audience, tag, value) for tag, value in (body.get("merge_fields") or {}).items()}
    missing = [each.tag for each in audience.fields if each.required and not {**member.merges, **merges}.get(each.tag)]
    if missing and not skips:
        raise invalid(missing[0], "Please enter a value")
    status: Any = body.get("status")
    if status is not None:
        _check_status(status, "status")
        if member.in_compliance and status in _WRITTEN_TO and member.status not in _WRITTEN_TO:
            text = f"{member.address} is in a compliance state due to unsubscribe, bounce, or compliance review."
            raise MailchimpProblem(400, "Member In Compliance State", text)
        member.status = status
    address = body.get("email_address")
    if address is not None and address.lower() != member.address.lower():
        other = audience.find(address)
        if other is not None and other is not member:
            raise MailchimpProblem(400, "Member Exists", f"{address} is already a list member.")
        member.address = address
    member.merges.update(merges)
    member.changed = state.now()


def _check_status(status: object, name: str) -> None:
    if status not in STATUSES:
        raise invalid(name, f"Value must be one of: {', '.join(STATUSES)}")
