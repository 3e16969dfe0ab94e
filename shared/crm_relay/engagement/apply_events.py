"""Applies events that came by no webhook, as if it had brought them."""

from collections import Counter
from collections.abc import Sequence

from crm_relay.engagement.deliveries.changes import EngagementChanges
from crm_relay.engagement.deliveries.known import KnownEngagement
from crm_relay.engagement.deliveries.reads import erased_marks, reads_of
from crm_relay.engagement.models import ContactDirectory, FiledEvent
from crm_relay.engagement.transact import transact
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import describe_error
from crm_relay.platform.logging import logger
from crm_relay.providers.mautic.events import MauticEvent
from crm_relay.rules.in_parts import in_parts
from crm_relay.webhooks.models import Counted


def apply_events(database: Database, events: Sequence[MauticEvent], contacts: ContactDirectory) -> Counter[Counted]:
    """Two messages, however many events; each is in exactly one count, but for those that the database refuses.

    They hold up no other. Safe to call twice. Errors as in `transact`, where it refuses all of them.
    """
    counts: Counter[Counted] = Counter()

    def apply(places: Sequence[int]) -> None:
        part = [events[place] for place in places]
        counts.update(transact(database, lambda transaction: _apply(transaction, part, contacts)))

    for place, error in in_parts(range(len(events)), apply).items():
        logger().error("an event is left out", key=events[place].key, reason=describe_error(error))
    return counts


def _apply(transaction: Transaction, events: Sequence[MauticEvent], contacts: ContactDirectory) -> Counter[Counted]:
    filed = [FiledEvent.of(event) for event in events]
    reads = {**reads_of(filed, contacts), **erased_marks(filed)}
    rows = dict(zip(reads, transaction.send_all(list(reads.values())), strict=True))
    changes = EngagementChanges(KnownEngagement.of(rows, contacts))
    counts = changes.apply(events)
    transaction.finish(list(changes.statements()))
    return counts
