"""Segments and who is in them: single and bulk adds, single removes only."""

from __future__ import annotations

import re
from typing import Any

from local.simulators.mautic import events, shapes
from local.simulators.mautic.state import Contact, Mautic, Segment
from local.simulators.mautic.wire import ApiError, Json, Request, Response, invalid, iso, not_found


def known(mautic: Mautic, number: int) -> Segment:
    segment = mautic.segments.get(number)
    if segment is None:
        raise not_found()
    return segment


def writable(mautic: Mautic, number: int) -> Segment:
    """recorded: 66_add_to_unpublished_segment"""
    segment = known(mautic, number)
    if not segment.published:
        text = "You do not have access to the requested area/action."
        raise ApiError(403, [{"code": 403, "message": text, "details": []}])
    return segment


def _free_alias(mautic: Mautic, wanted: str) -> str:
    """A second segment of one name gets a number (recorded: 60_segment_new_duplicate_name)."""
    base = re.sub(r"[^a-z0-9]+", "-", wanted.casefold()).strip("-")
    taken = {segment.alias for segment in mautic.segments.values()}
    alias, number = base, 0
    while alias in taken:
        number += 1
        alias = f"{base}{number}"
    return alias


def create(mautic: Mautic, wanted: Json) -> Segment:
    if not wanted.get("name"):
        raise invalid({"name": "A name is required."})
    with mautic.lock:
        segment = Segment(
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


def post_segment(mautic: Mautic, request: Request) -> Response:
    segment = create(mautic, request.payload if isinstance(request.payload, dict) else {})
    return Response(201, {"list": shapes.segment(segment)}, {"Location": f"/api/segments/{segment.id}"})


def list_segments(mautic: Mautic, request: Request) -> Response:
    """By name; none is `[]` (recorded: 61_segments_list_past_end)."""
    wanted = request.query.get("search", "").casefold()
    start, limit = int(request.query.get("start") or 0), int(request.query.get("limit") or 30)
    with mautic.lock:
        found = [s for s in mautic.segments.values() if wanted in s.name.casefold() or wanted in s.alias]
    found.sort(key=lambda s: (s.name.casefold(), s.id))
    page: Any = {str(segment.id): shapes.segment(segment) for segment in found[start : start + limit]}
    return Response(200, {"total": len(found), "lists": page or []})


def get_segment(mautic: Mautic, request: Request, number: int) -> Response:
    del request
    return Response(200, {"list": shapes.segment(known(mautic, number))})


def edit_segment(mautic: Mautic, request: Request, number: int) -> Response:
    segment, wanted = known(mautic, number), request.payload
    segment.name = str(wanted.get("name", segment.name))
    segment.published = bool(wanted.get("isPublished", segment.published))
    segment.description = wanted.get("description", segment.description)
    return Response(200, {"list": shapes.segment(segment)})


def delete_segment(mautic: Mautic, request: Request, number: int) -> Response:
    del request
    segment = known(mautic, number)
    with mautic.lock:
        mautic.segments.pop(number)
        for contact in mautic.contacts.values():
            contact.segments.discard(number)
    return Response(200, {"list": {**shapes.segment(segment), "id": None}})


def _join(mautic: Mautic, segment: Segment, contact: Contact) -> None:
    with mautic.lock:
        new = segment.id not in contact.segments
        contact.segments.add(segment.id)
        contact.removed_segments.discard(segment.id)
        told = events.membership(mautic, contact, segment, "added") if new else []
    mautic.publish(told)


def _leave(mautic: Mautic, segment: Segment, contact: Contact) -> None:
    with mautic.lock:
        member = segment.id in contact.segments
        contact.segments.discard(segment.id)
        contact.removed_segments.add(segment.id)
        told = events.membership(mautic, contact, segment, "removed") if member else []
    mautic.publish(told)


def _contact(mautic: Mautic, number: int) -> Contact:
    contact = mautic.contacts.get(number)
    if contact is None:
        raise not_found("Contact not found.")
    return contact


def add_contact(mautic: Mautic, request: Request, number: int, contact_id: int) -> Response:
    """Safe to call twice (recorded: 62_segment_contact_add_again)."""
    del request
    segment = writable(mautic, number)
    _join(mautic, segment, _contact(mautic, contact_id))
    return Response(200, {"success": 1})


def remove_contact(mautic: Mautic, request: Request, number: int, contact_id: int) -> Response:
    del request
    segment = writable(mautic, number)
    _leave(mautic, segment, _contact(mautic, contact_id))
    return Response(200, {"success": 1})


def add_contacts(mautic: Mautic, request: Request, number: int) -> Response:
    """Unknown ids say false while the top says 1 (recorded: 63_segment_contacts_bulk_add_with_unknown)."""
    segment, payload = writable(mautic, number), request.payload
    if not isinstance(payload, dict) or not isinstance(payload.get("ids"), list):
        raise ApiError(400, [{"code": 400, "message": "This is a bad request.", "details": []}])
    details: Json = {}
    for contact_id in payload["ids"]:
        contact = mautic.contacts.get(int(contact_id))
        if contact is not None:
            _join(mautic, segment, contact)
        details[str(contact_id)] = {"success": contact is not None}
    return Response(200, {"success": 1, "details": details or []})


def segments_of_contact(mautic: Mautic, request: Request, contact_id: int) -> Response:
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
    return Response(200, {"total": len(lists), "lists": lists or []})
