"""Puts a delivery of Mautic onto the customers, and events that waited onto customers who are known by now."""

from crm_relay.engagement.decisions import judge
from crm_relay.engagement.store import Applied, StorableEvent, apply_events
from crm_relay.platform.database import Queryable
from crm_relay.platform.logging import count_metric, logger
from crm_relay.providers.mautic.events import MauticDelivery
from crm_relay.webhooks.models import DeliveryOutcome


def apply_delivery(db: Queryable, delivery: MauticDelivery) -> DeliveryOutcome:
    """One statement, however many events; safe to call twice."""
    applied = Applied()
    if delivery.events:
        applied = apply_events(db, [StorableEvent(event, judge(event)) for event in delivery.events])
    return DeliveryOutcome(
        processed=applied.processed,
        duplicates=applied.duplicates + delivery.repeated,
        unmatched=applied.unmatched,
        ignored=applied.ignored + not_kept(delivery),
    )


def applied_before(delivery: MauticDelivery) -> DeliveryOutcome:
    """The outcome of a delivery whose effects all stand already."""
    return DeliveryOutcome(duplicates=len(delivery.events) + delivery.repeated, ignored=not_kept(delivery))


def not_kept(delivery: MauticDelivery) -> int:
    """Events without effect: ignored on purpose, of a name that nobody knows, or not readable."""
    return delivery.ignored + delivery.unknown + delivery.unreadable


def report_surprises(delivery: MauticDelivery) -> None:
    """Tell the operator of what was kept raw and had no effect, because nobody knew what it meant."""
    surprises = {"UnknownEvents": delivery.unknown, "UnreadableEvents": delivery.unreadable}
    for metric, count in surprises.items():
        if count:
            logger().warning("events without effect", metric=metric, count=count)
            count_metric(metric, count, source="mautic")
