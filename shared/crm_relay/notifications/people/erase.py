"""Erases a person who is a colleague: what they were told, and the person in their profile."""

from crm_relay.consent.person import Person
from crm_relay.notifications import store
from crm_relay.platform.database import Queryable, Row


def erase_colleague(db: Queryable, person: Person) -> Row:
    """Table -> rows that lost the person. One statement; safe to call twice.

    What others were told about the person goes with the person's rows of the CRM, mail with its ledger. Keys stay:
    they name the row of the profile, which nothing refers to a person by any more.
    """
    return store.erase_colleague(db, list(person.addresses))


def count_colleague(db: Queryable, person: Person) -> Row:
    """Table -> rows that erase_colleague would change."""
    return store.count_colleague(db, list(person.addresses))
