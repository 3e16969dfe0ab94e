"""Erases a lead; what was counted of it stays counted, without its name."""

from crm_relay.consent.person import Person
from crm_relay.outreach import store
from crm_relay.platform.database import Queryable


def erase_leads(db: Queryable, person: Person) -> int:
    """How many leads went, in whatever workspace. Safe to call twice."""
    return store.erase_leads(db, list(person.addresses))


def count_leads(db: Queryable, person: Person) -> int:
    """How many leads are the person's."""
    return store.count_leads(db, list(person.addresses))
