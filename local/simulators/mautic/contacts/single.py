"""Single contacts: matching, uniqueness, and what POST, PATCH and PUT each write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local.simulators.mautic.contact_fields import API_USER
from local.simulators.mautic.contacts import do_not_contact, shapes
from local.simulators.mautic.contacts.shapes import ContactChange
from local.simulators.mautic.contacts.values import BLANK, DROPPED, RefusedError, clean
from local.simulators.mautic.state import Event, MauticData, SimulatedContact
from local.simulators.mautic.webhooks import events
from local.simulators.mautic.wire import Json, MauticRequest, MauticResponse, invalid, not_found


@dataclass
class Saved:
    contact: SimulatedContact
    change: ContactChange

    @property
    def status(self) -> int:
        return 201 if self.change.created else 200


def cleaned(mautic: MauticData, params: Json, *, exact: bool = False) -> Json:
    """Every known field of the item; unknown keys are ignored, one bad value refuses the item with a 400."""
    values: Json = {}
    problems: dict[str, str] = {}
    for item in mautic.fields.values():
        if item.alias in params:
            try:
                values[item.alias] = clean(item, params[item.alias], exact=exact)
            except RefusedError as refused:
                problems[item.alias] = str(refused)
    if problems:
        raise invalid(problems)
    return values


def match(mautic: MauticData, values: Json) -> SimulatedContact | None:
    """Any unique field is enough; of several contacts the newest is taken."""
    found: set[int] = set()
    for item in mautic.unique_fields:
        value = values.get(item.alias)
        if value not in (None, BLANK, DROPPED):
            found |= mautic.holders(item.alias, value)
    return max((mautic.contacts[number] for number in found), key=lambda c: (c.added, c.id), default=None)


def refuse_duplicates(mautic: MauticData, contact: SimulatedContact | None, values: Json, *, twin_of: int = 0) -> None:
    """Looks at the whole contact, so that a duplicated one refuses even unrelated changes (recorded: 54_*)."""
    problems = {}
    for item in mautic.unique_fields:
        value = values.get(item.alias)
        if value in (None, BLANK, DROPPED):
            value = contact.fields.get(item.alias) if contact else None
        if value and mautic.holders(item.alias, value) - {contact.id if contact else 0, twin_of}:
            problems[item.alias] = "This field must be unique."
    if problems:
        raise invalid(problems, 422)


def create_or_merge(mautic: MauticData, params: Json, *, batch: bool = False) -> Saved:
    """POST. Looking and writing are two moments, as in the original: concurrent requests make duplicates."""
    with mautic.lock:
        values = cleaned(mautic, params)
        contact = match(mautic, values)
        refuse_duplicates(mautic, contact, values)
    mautic.breathe()
    change = ContactChange(created=contact is None, batch=batch, api_single_merge=not batch and contact is not None)
    return write(mautic, contact, params, values, change)


def change_one(mautic: MauticData, contact: SimulatedContact, params: Json, *, twin_of: int = 0) -> Saved:
    """PATCH."""
    with mautic.lock:
        values = cleaned(mautic, params)
        refuse_duplicates(mautic, contact, values, twin_of=twin_of)
    return write(mautic, contact, params, values, ContactChange())


def replace_one(mautic: MauticData, contact: SimulatedContact | None, params: Json, *, batch: bool = False) -> Saved:
    """PUT: blanks what is not sent; an unknown id creates (recorded: 33_contact_put_unknown_id_creates)."""
    with mautic.lock:
        sent = cleaned(mautic, params, exact=True)
        values = {alias: sent.get(alias, BLANK) for alias in mautic.fields if alias != "points"}
        refuse_duplicates(mautic, contact, {alias: value or BLANK for alias, value in sent.items()})
    change = ContactChange(created=contact is None, blanking=True, batch=batch)
    return write(mautic, contact, params, values, change, everything=True)


def write(
    mautic: MauticData,
    contact: SimulatedContact | None,
    params: Json,
    values: Json,
    change: ContactChange,
    *,
    everything: bool = False,
) -> Saved:
    change.sent = set(params)
    change.blanking = everything or bool(params.get("overwriteWithBlank"))
    with mautic.lock:
        target = contact or SimulatedContact(mautic.next_id("contact"), mautic.now())
        _assign(mautic, target, values, change)
        happened = _tags(mautic, target, params.get("tags"))
        announced = do_not_contact.apply_entries(mautic, target, params.get("doNotContact"))
        _stamp(mautic, target, change, touched=change.changed or happened or bool(announced))
        announced += _change_events(mautic, target, change)
    mautic.publish(announced)
    return Saved(target, change)


def _assign(mautic: MauticData, contact: SimulatedContact, values: Json, change: ContactChange) -> None:
    for alias, value in values.items():
        new = None if value is BLANK else value
        if value is DROPPED or (value is BLANK and not change.blanking):
            continue
        old = contact.fields.get(alias)
        if new != old:
            change.before[alias] = old
            mautic.set_value(contact, alias, new)


def _tags(mautic: MauticData, contact: SimulatedContact, tags: Any) -> bool:
    """A leading minus removes (recorded: 37_tags_add_and_remove)."""
    before = list(contact.tags)
    for tag in tags if isinstance(tags, list) else []:
        if str(tag).startswith("-"):
            contact.tags = [kept for kept in contact.tags if kept != tag[1:]]
        elif tag not in contact.tags:
            if tag not in mautic.tags:
                mautic.tags[tag] = mautic.next_id("tag")
            contact.tags.append(tag)
    return contact.tags != before


def _stamp(mautic: MauticData, contact: SimulatedContact, change: ContactChange, *, touched: bool) -> None:
    """An update that changes nothing leaves dateModified alone (recorded: 34_value_patch_zero_numbers)."""
    identified = not contact.anonymous or any(contact.fields.get(f.alias) for f in mautic.unique_fields)
    if contact.identified is None and identified:
        contact.identified = mautic.now()
    if change.created:
        contact.modified = contact.modified_by = None
        mautic.store(contact)
        return
    contact.modified_by = API_USER
    if touched:
        contact.modified = mautic.now()


def _change_events(mautic: MauticData, contact: SimulatedContact, change: ContactChange) -> list[Event]:
    """Unchanged data sends no save event."""
    if change.created:
        return events.saved_new(mautic, contact)
    return events.updated(mautic, contact) if change.changed else []


def known(mautic: MauticData, number: int) -> SimulatedContact:
    contact = mautic.contacts.get(number)
    if contact is None:
        raise not_found()
    return contact


def params_of(request: MauticRequest) -> Json:
    return request.payload if isinstance(request.payload, dict) else {}


def answer(mautic: MauticData, saved: Saved) -> MauticResponse:
    with mautic.lock:
        body = {"contact": shapes.full(mautic, saved.contact, saved.change)}
    headers = {"Location": f"/api/contacts/{saved.contact.id}"} if saved.change.created else {}
    return MauticResponse(saved.status, body, headers)


def post_contact(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    return answer(mautic, create_or_merge(mautic, params_of(request)))


def patch_contact(mautic: MauticData, request: MauticRequest, number: int) -> MauticResponse:
    return answer(mautic, change_one(mautic, known(mautic, number), params_of(request)))


def put_contact(mautic: MauticData, request: MauticRequest, number: int) -> MauticResponse:
    return answer(mautic, replace_one(mautic, mautic.contacts.get(number), params_of(request)))


def get_contact(mautic: MauticData, request: MauticRequest, number: int) -> MauticResponse:
    del request
    with mautic.lock:
        return MauticResponse(200, {"contact": shapes.full(mautic, known(mautic, number))})


def erase(mautic: MauticData, contact: SimulatedContact) -> None:
    with mautic.lock:
        mautic.forget(contact)
        announced = events.deleted(mautic, contact)
    mautic.publish(announced)


def delete_contact(mautic: MauticData, request: MauticRequest, number: int) -> MauticResponse:
    """Answers with the contact and `id: null` (recorded: 80_contact_delete)."""
    del request
    contact = known(mautic, number)
    erase(mautic, contact)
    return MauticResponse(200, {"contact": shapes.full(mautic, contact)})
