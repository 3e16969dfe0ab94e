"""Erases the copies of items that fixes keep for their undoing."""

from crm_relay.consent.person import Person
from crm_relay.integrity import store
from crm_relay.platform.database import Queryable


def erase_fixes(db: Queryable, person: Person) -> int:
    """How many fixes lost what they held of the person; they cannot be taken back any more. Safe to call twice."""
    return store.erase_fixes(db, person.marks)


def count_fixes(db: Queryable, person: Person) -> int:
    """How many hold something of the person."""
    return store.count_fixes(db, person.marks)
