"""The events that webhooks carry, each rendered at the moment it happens and only if somebody listens."""

from __future__ import annotations

from collections.abc import Callable

from local.simulators.mautic.contacts import shapes
from local.simulators.mautic.state import Event, MauticData, SimulatedContact, SimulatedSegment
from local.simulators.mautic.wire import Json, iso


def event(mautic: MauticData, kind: str, render: Callable[[], Json]) -> list[Event]:
    name = f"mautic.{kind}"
    if not any(hook.published and name in hook.triggers for hook in mautic.hooks.values()):
        return []
    return [Event(name, {**render(), "timestamp": iso(mautic.now())})]


def saved_new(mautic: MauticData, contact: SimulatedContact) -> list[Event]:
    """A contact without a name or address is anonymous and announces nothing."""
    if contact.anonymous:
        return []
    return event(mautic, "lead_post_save_new", lambda: {"contact": shapes.in_event(mautic, contact, created=True)})


def updated(mautic: MauticData, contact: SimulatedContact) -> list[Event]:
    if contact.anonymous:
        return []
    return event(mautic, "lead_post_save_update", lambda: {"contact": shapes.in_event(mautic, contact)})


def deleted(mautic: MauticData, contact: SimulatedContact) -> list[Event]:
    """The id stands outside, the contact itself has none any more (recorded: 95_hook_delete__lead_post_delete)."""
    return event(mautic, "lead_post_delete", lambda: {"id": contact.id, "contact": shapes.in_event(mautic, contact)})


def subscription_changed(
    mautic: MauticData, contact: SimulatedContact, channel: str, old: str, new: str
) -> list[Event]:
    return event(
        mautic,
        "lead_channel_subscription_changed",
        lambda: {
            "contact": shapes.in_event(mautic, contact),
            "channel": channel,
            "old_status": old,
            "new_status": new,
        },
    )


def membership(mautic: MauticData, contact: SimulatedContact, segment: SimulatedSegment, action: str) -> list[Event]:
    return event(
        mautic,
        "lead_list_change",
        lambda: {
            "contact": shapes.in_event(mautic, contact, attributes=True),
            "segment": shapes.segment(segment),
            "action": action,
        },
    )
