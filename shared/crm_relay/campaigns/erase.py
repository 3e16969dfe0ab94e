"""Erases a person from campaigns; what steps reached stays counted, without saying of whom."""

from datetime import datetime

from crm_relay.campaigns import store
from crm_relay.consent.person import Person
from crm_relay.platform.database import Queryable, Row


def erase_enrolled(db: Queryable, person: Person, now: datetime) -> Row:
    """Table -> rows that lost the person; whatever was queued is taken back. One statement; safe to call twice.

    Before the contact loses its address: by that the enrollments are found. Activities and replies are erased with the
    rest of the CRM, mails and text messages with their ledgers.
    """
    return store.erase_person(db, list(person.addresses), now)


def count_enrolled(db: Queryable, person: Person) -> Row:
    """Table -> rows that erase_enrolled would change."""
    return store.count_of_person(db, list(person.addresses))
