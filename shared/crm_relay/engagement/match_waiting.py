"""Gives events that came before their customer was known to that customer."""

from collections.abc import Sequence
from uuid import UUID

from crm_relay.engagement.deliveries.changes import EngagementChanges
from crm_relay.engagement.deliveries.known import KnownEngagement
from crm_relay.engagement.deliveries.reads import claim_waiting, reads_of, waiting_contacts
from crm_relay.engagement.models import ContactDirectory, FiledEvent
from crm_relay.engagement.transact import transact
from crm_relay.platform.database import Database, Row, Transaction

LIMIT = 5000
"""So many in one transaction: while that many are returned, there are more."""


def match_waiting(database: Database, contacts: ContactDirectory) -> int:
    """How many events found their customer; their effects take place as if they had come now. Safe to call twice.

    Five messages at most, and one where nothing waits.
    """
    waiting = waiting_contacts(database)
    if waiting is None:
        return 0
    known = contacts.known_among(database, waiting)
    return transact(database, lambda transaction: _match(transaction, contacts, known))


def _match(transaction: Transaction, contacts: ContactDirectory, known: Sequence[int]) -> int:
    claimed = [_filed(row) for row in transaction.send_all([claim_waiting(known, LIMIT)])[0]]
    if not claimed:
        return 0
    reads = reads_of([event for _, event in claimed], contacts, are_stored=True)
    rows = dict(zip(reads, transaction.send_all(list(reads.values())), strict=True))
    changes = EngagementChanges(KnownEngagement.of(rows, contacts))
    given = changes.give(claimed)
    transaction.finish(list(changes.statements()))
    return given


def _filed(row: Row) -> tuple[UUID, FiledEvent]:
    event = FiledEvent(
        row["event_key"], row["event_type"], row["occurred_at"], row["mautic_contact_id"], address=row["address"]
    )
    return row["id"], event
