"""Erases a person from campaigns; what steps reached stays counted, without a name."""

from datetime import datetime

from crm_relay.campaigns import store
from crm_relay.campaigns.engine.stop import end_enrollments
from crm_relay.campaigns.follow_up import status_after
from crm_relay.consent.person import Person
from crm_relay.platform.database import Database, Queryable, Row, Transaction

_REASON = "erased"


def erase_enrolled(db: Database, person: Person, now: datetime) -> Row:
    """Table -> rows that lost the person; whatever was queued is taken back. One transaction; safe to call twice.

    Before the contact loses its address: by that the enrollments are found. Activities and replies are erased with the
    rest of the CRM, mails and text messages with their ledgers.
    """
    return db.transact(lambda tx: _erase(tx, person, now))


def count_enrolled(db: Queryable, person: Person) -> Row:
    """Table -> rows that erase_enrolled would change."""
    return store.count_of_person(db, list(person.addresses))


def _erase(tx: Transaction, person: Person, now: datetime) -> Row:
    ids = store.enrollments_to_erase(tx, sorted(person.addresses))
    end_enrollments(tx, ids, status_after(_REASON), _REASON, now)
    return {"campaign_enrollments": store.erase_enrollments(tx, ids, now)}
