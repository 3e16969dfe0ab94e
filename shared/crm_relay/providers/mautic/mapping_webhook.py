"""From Mautic's payloads to events in our words: one reader for each form."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.platform.errors import IgnoredInput
from crm_relay.providers.mautic.events import MauticEvent
from crm_relay.providers.mautic.vocabulary import CHANNELS, OUR_DNC_COMMENT, STATUS_OF_REASON, EventKind
from crm_relay.providers.mautic.wire_webhook import (
    DeletionEvent,
    DocumentEvent,
    HitEvent,
    MauticContact,
    MauticEmail,
    OpenEvent,
    SubscriptionEvent,
)

# The button "Send test payload" sends samples from 2015 and 2017 with contact ids that may be somebody's here, and the
# present time beside them. A real delivery has no time at the top.
_SAMPLE_AGE = timedelta(days=30)


@dataclass(frozen=True)
class WebhookItem:
    """One event as it came, the time at the top of its delivery (None in a real one), and the time of receipt."""

    raw: Any
    delivered_at: datetime | None
    now: datetime


Reader = Callable[[WebhookItem], MauticEvent]


def _read_open(item: WebhookItem) -> MauticEvent:
    if not (isinstance(item.raw, dict) and "stat" in item.raw):
        return _read_document(item, "open")
    event = OpenEvent.model_validate(item.raw)
    stat = event.stat
    occurred_at = _occurred(item, stat.last_opened, stat.date_read, event.timestamp)
    return MauticEvent(
        key=open_key(stat.tracking_hash, stat.id or _fingerprint(item.raw), stat.open_count),
        kind="open",
        occurred_at=occurred_at,
        payload=item.raw,
        sent_at=stat.date_sent,
        in_browser=stat.viewed_in_browser,
        **_about(stat.lead, stat.email, address=stat.address),
    )


def _read_hit(item: WebhookItem) -> MauticEvent:
    event = HitEvent.model_validate(item.raw)
    hit = event.hit
    if hit.email is None:
        raise IgnoredInput("a visit to the website that no e-mail led to")
    occurred_at = _occurred(item, hit.date_hit, event.timestamp)
    return MauticEvent(
        key=f"mautic:click:{_fingerprint(item.raw)}" if hit.id is None else click_key(hit.id, hit.date_hit),
        kind="click",
        occurred_at=occurred_at,
        payload=item.raw,
        link_url=hit.url,
        user_agent=hit.user_agent,
        **_about(hit.lead, hit.email),
    )


def _read_subscription(item: WebhookItem) -> MauticEvent:
    event = SubscriptionEvent.model_validate(item.raw)
    kind = CHANNELS.get(event.channel, {}).get(event.new_status)
    if kind is None:
        raise IgnoredInput("a status or a channel that is not kept")
    if _is_our_own(event):
        raise IgnoredInput("the echo of a do-not-contact that was pushed from here")
    occurred_at = _occurred(item, event.timestamp)
    about = _about(event.contact, None)
    if kind == "sms_opt_out":
        about["address"] = _phone_number(event.contact)
    identity = event.contact.id or _fingerprint(item.raw)
    return MauticEvent(
        key=f"mautic:subscription:{identity}:{event.channel}:{event.old_status}>{event.new_status}:{_stamp(event.timestamp)}",
        kind=kind,
        occurred_at=occurred_at,
        payload=item.raw,
        **about,
    )


def _read_deletion(item: WebhookItem) -> MauticEvent:
    event = DeletionEvent.model_validate(item.raw)
    if item.delivered_at is not None and event.timestamp is None:
        raise IgnoredInput("a sample of Mautic's")
    return MauticEvent(
        key=f"mautic:deletion:{event.id}:{_stamp(event.timestamp)}",
        kind="contact_deleted",
        occurred_at=_occurred(item, event.timestamp),
        payload=item.raw,
        contact_id=event.id,
    )


def _read_document(item: WebhookItem, kind: EventKind) -> MauticEvent:
    event = DocumentEvent.model_validate(item.raw)
    return MauticEvent(
        key=f"mautic:document:{kind}:{_fingerprint(item.raw)}",
        kind=kind,
        occurred_at=event.date_read or event.date_sent or item.delivered_at or item.now,
        payload=item.raw,
        link_url=event.url,
        sent_at=event.date_sent,
        **_about(event.lead, event.email),
    )


READERS: Mapping[str, Reader] = {
    "mautic.email_on_open": _read_open,
    "mautic.page_on_hit": _read_hit,
    "mautic.lead_channel_subscription_changed": _read_subscription,
    "mautic.lead_post_delete": _read_deletion,
    "mautic.email_on_click": lambda item: _read_document(item, "click"),
    "mautic.email_on_unsubscribe": lambda item: _read_document(item, "unsubscribe"),
    "mautic.email_on_bounce": lambda item: _read_document(item, "bounce"),
}
"""One for each name in APPLIED_EVENTS. A reader raises IgnoredInput, or pydantic's ValidationError."""


def open_key(tracking_hash: str | None, otherwise: int | str, count: int) -> str:
    """The identity of the `count`-th open of one mail to one contact, whichever way it is learnt of."""
    # The hash rather than the number: ids begin again when Mautic is installed again, and the sample has a low one.
    return f"mautic:open:{tracking_hash or otherwise}:{count}"


def click_key(hit_id: int, hit_at: datetime | None) -> str:
    """The identity of one click, whichever way it is learnt of."""
    return f"mautic:click:{hit_id}:{_stamp(hit_at)}"


def _about(contact: MauticContact | None, email: MauticEmail | None, *, address: str | None = None) -> dict[str, Any]:
    contact, email = contact or MauticContact(), email or MauticEmail()
    return {
        "contact_id": contact.id,
        "customer_id": _uuid(contact.core.supabase_id),
        "address": address or contact.address,
        "campaign_name": email.name,
        "email_subject": email.subject,
        "email_id": email.id,
    }


def _occurred(item: WebhookItem, *candidates: datetime | None) -> datetime:
    """The first that is there; raises IgnoredInput for what is a sample by its age."""
    own = next((moment for moment in candidates if moment is not None), None)
    if own is not None and item.delivered_at is not None and item.delivered_at - own > _SAMPLE_AGE:
        raise IgnoredInput("a sample of Mautic's")
    return own or item.delivered_at or item.now


def _is_our_own(event: SubscriptionEvent) -> bool:
    return any(
        entry.channel == event.channel
        and (entry.comments or "").startswith(OUR_DNC_COMMENT)
        and STATUS_OF_REASON.get(entry.reason or 0) == event.new_status
        for entry in event.contact.do_not_contact
    )


def _phone_number(contact: MauticContact) -> str | None:
    """None: the contact has none, and is known by its id alone."""
    # Mautic sends to `mobile`, and to `phone` where there is none.
    written = contact.core.mobile or contact.core.phone or ""
    number = "".join(sign for sign in written if sign.isascii() and (sign.isdigit() or sign == "+"))
    return number or None


def _stamp(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y%m%dT%H%M%SZ")


def _fingerprint(raw: Mapping[str, Any]) -> str:
    """For what has no identity of its own: a hash over everything in it, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()[:32]


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
