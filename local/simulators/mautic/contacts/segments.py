"""Segments and who is in them: single and bulk adds, single removes only."""

from __future__ import annotations

import re
from typing import Any

from local.simulators.mautic.contact_fields import API_USER
from local.simulators.mautic.contacts import shapes
from local.simulators.mautic.state import MauticData, SimulatedContact, SimulatedSegment
from local.simulators.mautic.webhooks import events
from local.simulators.mautic.wire import Json, MauticApiError, MauticRequest, MauticResponse, invalid, iso, not_found


def known(mautic: MauticData, number: int) -> SimulatedSegment:
    segment = mautic.segments.get(number)
    if segment is None:
        raise not_found()
    return segment


def writable(mautic: MauticData, number: int) -> SimulatedSegment:
    """recorded: 66_add_to_unpublished_segment"""
    segment = known(mautic, number)
    if not segment.published:
        text = "You do not have access to the requested area/action."
        raise MauticApiError(403, [{"code": 403, "message": text, "details": []}])
    return segment


def _free_alias(mautic: MauticData, wanted: str) -> str:
    """A second segment of one name gets a number (recorded: 60_segment_new_duplicate_name)."""
    base = re.sub(r"[^a-z0-9]+", "-", wanted.casefold()).strip("-")
    taken = {segment.alias for segment in mautic.segments.values()}
    alias, number = base, 0
    while alias in taken:
        number += 1
        alias = f"{base}{number}"
    return alias


def create(mautic: MauticData, wanted: Json) -> SimulatedSegment:
    if not wanted.get("name"):
        raise invalid({"name": "A name is required."})
    with mautic.lock:
        segment = SimulatedSegment(
            mautic.next_id("segment"),
            str(wanted["name"]),
            _free_alias(mautic, str(wanted.get("alias") or wanted["name"])),
            mautic.now(),
            wanted.get("description"),
            bool(wanted.get("isPublished", True)),
            wanted.get("filters") or [],
        )
        mautic.segments[segment.id] = segment
    return segment


def post_segment(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    segment = create(mautic, request.payload if isinstance(request.payload, dict) else {})
    return MauticResponse(201, {"list": shapes.segment(segment)}, {"Location": f"/api/segments/{segment.id}"})


def list_segments(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    """By name; none is `[]` (recorded: 61_segments_list_past_end)."""
    wanted = request.query.get("search", "").casefold()
    start, limit = int(request.query.get("start") or 0), int(request.query.get("limit") or 30)
    with mautic.lock:
        found = [s for s in mautic.segments.values() if wanted in s.name.casefold() or wanted in s.alias]
    found.sort(key=lambda s: (s.name.casefold(), s.id))
    page: Any = {str(segment.id): shapes.segment(segment) for segment in found[start : start + limit]}
    return MauticResponse(200, {"total": len(found), "lists": page or []})


def get_segment(mautic: MauticData, request: MauticRequest, number: int) -> MauticResponse:
    del request
    return MauticResponse(200, {"list": shapes.segment(known(mautic, number))})


def edit_segment(mautic: MauticData, request: MauticRequest, number: int) -> MauticResponse:
    segment, wanted = known(mautic, number), request.payload
    before = shapes.segment(segment)
    segment.name = str(wanted.get("name", segment.name))
    segment.published = bool(wanted.get("isPublished", segment.published))
    segment.description = wanted.get("description", segment.description)
    segment.filters = wanted.get("filters", segment.filters)
    segment.modified_by = API_USER
    if shapes.segment(segment) | {"modifiedByUser": None} != before | {"modifiedByUser": None}:
        segment.modified = mautic.now()
    return MauticResponse(200, {"list": shapes.segment(segment)})


def delete_segment(mautic: MauticData, request: MauticRequest, number: int) -> MauticResponse:
    del request
    segment = known(mautic, number)
    with mautic.lock:
        mautic.segments.pop(number)
        for contact in mautic.contacts.values():
            contact.segments.discard(number)
    return MauticResponse(200, {"list": {**shapes.segment(segment), "id": None}})


def _join(mautic: MauticData, segment: SimulatedSegment, contact: SimulatedContact) -> None:
    with mautic.lock:
        new = segment.id not in contact.segments
        contact.segments.add(segment.id)
        contact.removed_segments.discard(segment.id)
        announced = events.membership(mautic, contact, segment, "added") if new else []
    mautic.publish(announced)


def _leave(mautic: MauticData, segment: SimulatedSegment, contact: SimulatedContact) -> None:
    with mautic.lock:
        member = segment.id in contact.segments
        contact.segments.discard(segment.id)
        contact.removed_segments.add(segment.id)
        announced = events.membership(mautic, contact, segment, "removed") if member else []
    mautic.publish(announced)


def _contact(mautic: MauticData, number: int) -> SimulatedContact:
    contact = mautic.contacts.get(number)
    if contact is None:
        raise not_found("Contact not found.")
    return contact


def add_contact(mautic: MauticData, request: MauticRequest, number: int, contact_id: int) -> MauticResponse:
    """Safe to call twice (recorded: 62_segment_contact_add_again)."""
    del request
    segment = writable(mautic, number)
    _join(mautic, segment, _contact(mautic, contact_id))
    return MauticResponse(200, {"success": 1})


def remove_contact(mautic: MauticData, request: MauticRequest, number: int, contact_id: int) -> MauticResponse:
    del request
    segment = writable(mautic, number)
    _leave(mautic, segment, _contact(mautic, contact_id))
    return MauticResponse(200, {"success": 1})


def add_contacts(mautic: MauticData, request: MauticRequest, number: int) -> MauticResponse:
    """Unknown ids say false while the top says 1 (recorded: 63_segment_contacts_bulk_add_with_unknown)."""
    segment, payload = writable(mautic, number), request.payload
    if not isinstance(payload, dict) or not isinstance(payload.get("ids"), list):
        raise MauticApiError(400, [{"code": 400, "message": "This is a bad request.", "details": []}])
    details: Json = {}
    for contact_id in payload["ids"]:
        contact = mautic.contacts.get(int(contact_id))
        if contact is not None:
            _join(mautic, segment, contact)
        details[str(contact_id)] = {"success": contact is not None}
    return MauticResponse(200, {"success": 1, "details": details or []})


def segments_of_contact(mautic: MauticData, request: MauticRequest, contact_id: int) -> MauticResponse:
    del request
    contact = mautic.contacts.get(contact_id)
    if contact is None:
        raise not_found()
    lists: Any = {
        str(segment.id): {
            "id": segment.id,
            "name": segment.name,
            "alias": segment.alias,
            "dateAdded": iso(segment.added),
            "manuallyRemoved": False,
            "manuallyAdded": True,
        }
        for segment in (mautic.segments[number] for number in sorted(contact.segments))
    }
    return MauticResponse(200, {"total": len(lists), "lists": lists or []})
