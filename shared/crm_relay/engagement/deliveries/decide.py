"""What a batch of deliveries means: its outcomes, and what is written of them."""

from collections.abc import Mapping, Sequence

from crm_relay.engagement.deliveries.changes import EngagementChanges
from crm_relay.engagement.deliveries.known import KnownEngagement
from crm_relay.engagement.deliveries.reads import marks_of, reads_of
from crm_relay.engagement.models import ContactDirectory, FiledEvent
from crm_relay.platform.logging import count_metric, logger
from crm_relay.platform.sql import Statement
from crm_relay.providers.mautic.events import MauticDelivery
from crm_relay.webhooks.models import DeliveryOutcome
from crm_relay.webhooks.source import Batch, Decided, KeptDelivery, ReadRows


def reads_of_batch(batch: Batch[MauticDelivery], contacts: ContactDirectory) -> Mapping[str, Statement]:
    """By the name under which `decide_batch` finds the rows."""
    return reads_of([event for each in batch.deliveries for event in _filed(each.parsed)], contacts)


def marks_in_delivery(delivery: MauticDelivery) -> frozenset[str]:
    """By which the inbox recognises erased persons."""
    return marks_of(_filed(delivery))


def decide_batch(kept: Sequence[KeptDelivery[MauticDelivery]], rows: ReadRows, contacts: ContactDirectory) -> Decided:
    """Mautic repeats what it got no answer to; it is answered with what the delivery had been about."""
    if not any(each.is_new for each in kept):
        return Decided([_applied_before(each.parsed) for each in kept])
    changes = EngagementChanges(KnownEngagement.of(rows, contacts))
    outcomes = [_apply(changes, each) if each.is_new else _applied_before(each.parsed) for each in kept]
    return Decided(outcomes, list(changes.statements()))


def report_surprises(delivery: MauticDelivery) -> None:
    """Report to the operator what was kept raw and had no effect, because nobody knew what it meant."""
    surprises = {"UnknownEvents": delivery.unknown, "UnreadableEvents": delivery.unreadable}
    for metric, count in surprises.items():
        if count:
            logger().warning("events without effect", metric=metric, count=count)
            count_metric(metric, count, source="mautic")


def _apply(changes: EngagementChanges, kept: KeptDelivery[MauticDelivery]) -> DeliveryOutcome:
    delivery = kept.parsed
    counts = changes.apply(delivery.events, kept.erased)
    return DeliveryOutcome(
        processed=counts["processed"],
        duplicates=counts["duplicates"] + delivery.repeated,
        unmatched=counts["unmatched"],
        ignored=counts["ignored"] + _not_kept(delivery),
    )


def _applied_before(delivery: MauticDelivery) -> DeliveryOutcome:
    return DeliveryOutcome(duplicates=len(delivery.events) + delivery.repeated, ignored=_not_kept(delivery))


def _not_kept(delivery: MauticDelivery) -> int:
    """Events without effect: ignored on purpose, of a name that nobody knows, or not readable."""
    return delivery.ignored + delivery.unknown + delivery.unreadable


def _filed(delivery: MauticDelivery) -> list[FiledEvent]:
    return [FiledEvent.of(event) for event in delivery.events]
