"""Applies events that came by no webhook, as if it had brought them."""

from collections import Counter
from collections.abc import Sequence

from crm_relay.engagement.deliveries.changes import EngagementChanges
from crm_relay.engagement.deliveries.known import KnownEngagement
from crm_relay.engagement.deliveries.reads import erased_marks, reads_of
from crm_relay.engagement.models import ContactDirectory, FiledEvent
from crm_relay.engagement.transact import transact
from crm_relay.platform.database import Database, Transaction
from crm_relay.providers.mautic.events import MauticEvent
from crm_relay.webhooks.models import Counted


def apply_events(database: Database, events: Sequence[MauticEvent], contacts: ContactDirectory) -> Counter[Counted]:
    """Two messages, however many events; each is in exactly one count. Safe to call twice. Errors as in `transact`."""
    return transact(database, lambda transaction: _apply(transaction, events, contacts))


def _apply(transaction: Transaction, events: Sequence[MauticEvent], contacts: ContactDirectory) -> Counter[Counted]:
    filed = [FiledEvent.of(event) for event in events]
    reads = {**reads_of(filed, contacts), **erased_marks(filed)}
    rows = dict(zip(reads, transaction.send_all(list(reads.values())), strict=True))
    changes = EngagementChanges(KnownEngagement.of(rows, contacts))
    counts = changes.apply(events)
    transaction.finish(list(changes.statements()))
    return counts
