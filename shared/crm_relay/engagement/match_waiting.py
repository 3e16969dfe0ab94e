"""Gives events that came before their customer was known to that customer."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import shuffle
from typing import Protocol
from uuid import UUID

from crm_relay.consent.waiting.waiting_opt_outs import claiming, waiting_persons
from crm_relay.engagement.deliveries.changes import EngagementChanges
from crm_relay.engagement.deliveries.known import KnownEngagement
from crm_relay.engagement.deliveries.reads import claim_waiting, reads_of, waiting_contacts
from crm_relay.engagement.deliveries.text_opt_outs import SOURCE
from crm_relay.engagement.models import ContactDirectory, FiledEvent
from crm_relay.engagement.transact import transact
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import OF_ONE_ROW, describe_error
from crm_relay.platform.logging import count_metric, logger
from crm_relay.rules.in_parts import in_parts

LIMIT = 5000
"""So many in one transaction: while that many are returned, there are more."""


def match_waiting(database: Database, contacts: ContactDirectory) -> int:
    """How many events found their customer; their effects take place as if they had come now. Safe to call twice.

    Five messages at most, and one where nothing waits. An event that the database refuses goes on waiting, and holds up
    no other.
    """
    waiting = waiting_contacts(database)
    return 0 if waiting is None else _given(database, _Match(contacts, contacts.known_among(database, waiting)))


def match_opt_outs(database: Database, contacts: ContactDirectory) -> int:
    """The same for opt-outs from text messages: those of a customer who has a number by now are in the ledger then."""
    waiting = waiting_persons(database, SOURCE)
    if waiting is None:
        return 0
    known = contacts.known_among(database, [int(each) for each in waiting])
    return _given(database, _MatchOptOuts(contacts, known))


class _Matching(Protocol):
    def claim(self, transaction: Transaction, ids: Sequence[UUID] | None = None) -> list[tuple[UUID, FiledEvent]]: ...

    def give(self, transaction: Transaction, ids: Sequence[UUID] | None = None) -> int: ...


def _given(database: Database, match: _Matching) -> int:
    try:
        return transact(database, match.give)
    except OF_ONE_ROW:
        return _in_parts(database, match)


@dataclass(frozen=True)
class _Match:
    contacts: ContactDirectory
    known: Sequence[int]

    def claim(self, transaction: Transaction, ids: Sequence[UUID] | None = None) -> list[tuple[UUID, FiledEvent]]:
        return [_filed(row) for row in transaction.send_all([claim_waiting(self.known, LIMIT, ids)])[0]]

    def give(self, transaction: Transaction, ids: Sequence[UUID] | None = None) -> int:
        claimed = self.claim(transaction, ids)
        if not claimed:
            return 0
        reads = reads_of([event for _, event in claimed], self.contacts, are_stored=True)
        rows = dict(zip(reads, transaction.send_all(list(reads.values())), strict=True))
        changes = EngagementChanges(KnownEngagement.of(rows, self.contacts))
        given = changes.give(claimed)
        transaction.finish(list(changes.statements()))
        return given


@dataclass(frozen=True)
class _MatchOptOuts:
    contacts: ContactDirectory
    known: Sequence[int]

    def claim(self, transaction: Transaction, ids: Sequence[UUID] | None = None) -> list[tuple[UUID, FiledEvent]]:
        persons = [str(each) for each in self.known]
        return [_opt_out(row) for row in transaction.send_all([claiming(SOURCE, persons, LIMIT, ids)])[0]]

    def give(self, transaction: Transaction, ids: Sequence[UUID] | None = None) -> int:
        claimed = self.claim(transaction, ids)
        if not claimed:
            return 0
        reads = reads_of([event for _, event in claimed], self.contacts)
        rows = dict(zip(reads, transaction.send_all(list(reads.values())), strict=True))
        changes = EngagementChanges(KnownEngagement.of(rows, self.contacts))
        given = changes.texts.give(claimed)
        transaction.finish(list(changes.statements()))
        return given


def _in_parts(database: Database, match: _Matching) -> int:
    given = 0

    def give(part: Sequence[UUID]) -> None:
        nonlocal given
        given += transact(database, lambda transaction: match.give(transaction, part))

    ids = database.transact(lambda transaction: [row_id for row_id, _ in match.claim(transaction)])
    # In another order each time, so that those that are refused never hide the others behind them.
    shuffle(ids)
    try:
        refused = in_parts(ids, give)
    except OF_ONE_ROW as error:
        refused = {ids[0]: error}
    for row_id, why in refused.items():
        logger().error("a waiting event cannot be given", event=str(row_id), reason=describe_error(why))
    count_metric("UnreadableEvents", len(refused), source="mautic")
    return given


def _filed(row: Row) -> tuple[UUID, FiledEvent]:
    event = FiledEvent(
        row["event_key"], row["event_type"], row["occurred_at"], row["mautic_contact_id"], address=row["address"]
    )
    return row["id"], event


def _opt_out(row: Row) -> tuple[UUID, FiledEvent]:
    event = FiledEvent(
        row["source_event"],
        "sms_opt_out",
        row["occurred_at"],
        None if row["source_person"] is None else int(row["source_person"]),
        row["customer_id"],
        row["address"],
        number_end=row["number_end"],
    )
    return row["id"], event
