"""What a webhook delivery of the e-mail provider means for the ledger, the consent and the replies."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from crm_relay.consent.address import normalise
from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import open_incidents
from crm_relay.mail.feedback import store
from crm_relay.mail.feedback.store import apply_mail_event
from crm_relay.platform.database import Queryable
from crm_relay.platform.logging import count_metric, logger
from crm_relay.providers.email_events import (
    ContactChanged,
    Event,
    InboundMail,
    MailEvent,
    SuppressionAdded,
    Unknown,
)
from crm_relay.webhooks.models import DeliveryOutcome

Follow = Callable[[Queryable, Mapping[str, Any]], str]
"""Who applies `event_row`: the ledger alone, or a capability that also has something to do about it.

Answers 'processed', 'duplicate', or 'unmatched' where the mail has no row yet.
"""

_BY_RESULT = {
    "processed": DeliveryOutcome(processed=1),
    "duplicate": DeliveryOutcome(duplicates=1),
    "unmatched": DeliveryOutcome(unmatched=1),
}
_SUPPRESSION_KINDS = {"bounce": ConsentKind.HARD_BOUNCE, "complaint": ConsentKind.COMPLAINT}


def apply_event(
    db: Queryable, event: Event, *, provider: str, key: str, received_at: datetime, follow: Follow = apply_mail_event
) -> DeliveryOutcome:
    """One statement, and a second one for a type that nobody knows. Safe to call twice, in any order.

    `provider` is the name of who told it, `key` the delivery's id.
    """
    match event:
        case MailEvent():
            return _BY_RESULT[follow(db, event_row(event, key))]
        case InboundMail():
            return _of(processed=store.keep_inbound_mail(db, inbound_row(event)))
        case ContactChanged():
            return _contact(db, event, provider, key)
        case SuppressionAdded():
            kind = _SUPPRESSION_KINDS.get(event.origin or "", ConsentKind.OPT_OUT)
            return _recorded(db, ConsentEvent(kind, event.email, provider, event.occurred_at, source_event=key))
        case Unknown():
            _report_unknown(db, event.type, provider, received_at)
            return DeliveryOutcome(ignored=1)


def event_row(event: MailEvent, key: str) -> dict[str, Any]:
    """As `apply_mail_event(jsonb)` in the database reads it; `key` is the delivery's id."""
    addresses = {address for each in event.recipients if (address := normalise(each)) is not None}
    return {
        "key": key,
        "kind": event.kind,
        "occurred_at": event.occurred_at,
        "email_id": event.email_id,
        "send": event.tags.get("send"),
        "message_id": None if event.message_id is None else bracketed(event.message_id),
        # Of several recipients nobody knows which one it was about.
        "address": addresses.pop() if len(addresses) == 1 else None,
        "suppresses": _suppresses(event),
        "bounce_type": event.bounce_type,
        "reason": event.reason,
        "link": event.link,
        "user_agent": event.user_agent,
    }


def bracketed(message_id: str) -> str:
    """A message id as it stands in the headers of a reply: in angle brackets."""
    return f"<{message_id.strip().strip('<>')}>"


def inbound_row(event: InboundMail) -> dict[str, Any]:
    """As `keep_inbound_mail(jsonb)` in the database reads it."""
    places = (normalise(each) for each in (*event.to, *event.also_to))
    return {
        "email_id": event.email_id,
        "from_address": event.from_address,
        "address": None if event.from_address is None else normalise(event.from_address),
        "subject": event.subject,
        "occurred_at": event.received_at,
        "to_addresses": sorted({place for place in places if place is not None}),
    }


def _suppresses(event: MailEvent) -> str | None:
    """What it is to the consent ledger."""
    if event.is_complaint:
        return ConsentKind.COMPLAINT.value
    return ConsentKind.HARD_BOUNCE.value if event.is_permanent_bounce or event.kind == "suppressed" else None


def _contact(db: Queryable, event: ContactChanged, provider: str, key: str) -> DeliveryOutcome:
    """An opt-out counts and nothing lifts it here; of topics, those that were left."""
    if event.unsubscribed:
        return _recorded(
            db, ConsentEvent(ConsentKind.OPT_OUT, event.email, provider, event.occurred_at, source_event=key)
        )
    topics = [each.topic_id for each in event.topics if each.subscribed is False]
    address = normalise(event.email)
    if address is None or not topics:
        return DeliveryOutcome(ignored=1)
    return _of(processed=store.leave_topics(db, address, topics, source=provider, at=event.occurred_at))


def _recorded(db: Queryable, event: ConsentEvent) -> DeliveryOutcome:
    recorded = record_events(db, [event])
    return DeliveryOutcome(processed=recorded.new, duplicates=recorded.known, ignored=recorded.unusable)


def _of(*, processed: bool) -> DeliveryOutcome:
    return DeliveryOutcome(processed=1) if processed else DeliveryOutcome(duplicates=1)


def _report_unknown(db: Queryable, event_type: str, provider: str, now: datetime) -> None:
    """Kept raw, counted and told once."""
    logger().warning("event of an unknown type", event_type=event_type)
    count_metric("UnknownEvents", source=provider)
    title = "Webhook event(s) of a type that nobody knows: kept, without effect"
    open_incidents(db, [Incident("unknown_event", f"{provider}:{event_type}", title)], now)
