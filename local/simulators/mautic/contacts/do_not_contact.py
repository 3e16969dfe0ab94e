"""Do-not-contact entries: which may replace which, and the two calls that set and erase them."""

from __future__ import annotations

from typing import Any

from local.simulators.mautic.contact_fields import API_USER
from local.simulators.mautic.contacts import shapes
from local.simulators.mautic.state import Event, MauticData, SimulatedContact, SimulatedDoNotContact
from local.simulators.mautic.webhooks.events import subscription_changed, updated
from local.simulators.mautic.wire import Json, MauticApiError, MauticRequest, MauticResponse, not_found

UNSUBSCRIBED, BOUNCED, MANUAL = 1, 2, 3
STATUS = {0: "contactable", UNSUBSCRIBED: "unsubscribed", BOUNCED: "bounced", MANUAL: "manual"}


def status_of(contact: SimulatedContact, channel: str) -> str:
    entry = contact.suppressions.get(channel)
    return STATUS.get(entry.reason, str(entry.reason)) if entry else "contactable"


def suppress(
    mautic: MauticData,
    contact: SimulatedContact,
    channel: str,
    reason: int,
    comments: str,
    *,
    channel_id: int | None = None,
    actor: str = API_USER,
) -> list[Event]:
    """Nothing replaces a person's own unsubscribe (recorded: 70_dnc_manual_over_unsubscribed); anything else does."""
    present = contact.suppressions.get(channel)
    if present and present.reason in (reason, UNSUBSCRIBED):
        return []
    old = status_of(contact, channel)
    number = present.id if present else mautic.next_id("dnc")
    contact.suppressions[channel] = SimulatedDoNotContact(number, channel, reason, comments, mautic.now(), channel_id)
    return _announce(mautic, contact, channel, old, actor)


def release(mautic: MauticData, contact: SimulatedContact, channel: str, *, actor: str = API_USER) -> list[Event]:
    """Erases a person's own unsubscribe too (recorded: 71_dnc_remove_of_unsubscribed)."""
    old = status_of(contact, channel)
    if contact.suppressions.pop(channel, None) is None:
        return []
    return _announce(mautic, contact, channel, old, actor)


def _announce(mautic: MauticData, contact: SimulatedContact, channel: str, old: str, actor: str) -> list[Event]:
    contact.modified, contact.modified_by = mautic.now(), actor
    new = status_of(contact, channel)
    return [*subscription_changed(mautic, contact, channel, old, new), *updated(mautic, contact)]


def apply_entries(mautic: MauticData, contact: SimulatedContact, entries: Any) -> list[Event]:
    """`doNotContact` inside a contact; reason 0 removes (recorded: 72_batch_new_remove_dnc_reason_0)."""
    events: list[Event] = []
    for entry in entries if isinstance(entries, list) else []:
        channel, reason = str(entry.get("channel") or "email"), int(entry.get("reason", MANUAL))
        if reason:
            events += suppress(mautic, contact, channel, reason, str(entry.get("comments") or ""))
        else:
            events += release(mautic, contact, channel)
    # The contact's own save event follows once, from the save that carried the entries.
    return [event for event in events if event.type == "mautic.lead_channel_subscription_changed"]


def _contact(mautic: MauticData, number: int) -> SimulatedContact:
    contact = mautic.contacts.get(number)
    if contact is None:
        raise not_found()
    return contact


def _reason(payload: Json) -> int:
    value = payload.get("reason", MANUAL)
    try:
        reason = int(value)
    except (TypeError, ValueError):
        reason = 0
    if reason < 1:
        detail = "Reason code needs to be an integer and higher than 0."
        raise MauticApiError(400, [{"code": 400, "message": "Invalid reason code given", "details": [detail]}])
    return reason


def add(mautic: MauticData, request: MauticRequest, number: int, channel: str) -> MauticResponse:
    payload = request.payload if isinstance(request.payload, dict) else {}
    with mautic.lock:
        contact = _contact(mautic, number)
        events = suppress(mautic, contact, channel, _reason(payload), str(payload.get("comments") or ""))
        shown = shapes.after_suppression(mautic, contact)
    mautic.publish(events)
    return MauticResponse(200, {"contact": shown})


def remove(mautic: MauticData, request: MauticRequest, number: int, channel: str) -> MauticResponse:
    del request
    with mautic.lock:
        contact = _contact(mautic, number)
        found = channel in contact.suppressions
        events = release(mautic, contact, channel)
        shown = shapes.after_suppression(mautic, contact)
    mautic.publish(events)
    return MauticResponse(200, {"recordFound": found, "contact": shown})
