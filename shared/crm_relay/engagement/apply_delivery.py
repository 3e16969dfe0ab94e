"""Puts a delivery of Mautic onto the customers, and events that waited onto customers who are known by now."""

from crm_relay.engagement.decisions import judge
from crm_relay.engagement.store import Applied, StorableEvent, apply_events
from crm_relay.inbox.models import Outcome
from crm_relay.platform.database import Runs
from crm_relay.platform.logging import count_metric, logger
from crm_relay.providers.mautic.events import Delivery


def apply_delivery(db: Runs, delivery: Delivery) -> Outcome:
    """One statement, however many events; safe to call twice."""
    applied = Applied()
    if delivery.events:
        applied = apply_events(db, [StorableEvent(event, judge(event)) for event in delivery.events])
    return Outcome(
        processed=applied.processed,
        duplicates=applied.duplicates + delivery.repeated,
        unmatched=applied.unmatched,
        ignored=applied.ignored + not_kept(delivery),
    )


def applied_before(delivery: Delivery) -> Outcome:
    """The outcome of a delivery whose effects all stand already."""
    return Outcome(duplicates=len(delivery.events) + delivery.repeated, ignored=not_kept(delivery))


def not_kept(delivery: Delivery) -> int:
    """Events without effect: ignored on purpose, of a name that nobody knows, or not readable."""
    return delivery.ignored + delivery.unknown + delivery.unreadable


def report_surprises(delivery: Delivery) -> None:
    """Tell the operator of what was kept raw and had no effect, because nobody knew what it meant."""
    surprises = {"UnknownEvents": delivery.unknown, "UnreadableEvents": delivery.unreadable}
    for metric, count in surprises.items():
        if count:
            logger().warning("events without effect", metric=metric, count=count)
            count_metric(metric, count, source="mautic")
