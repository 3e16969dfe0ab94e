"""Erases what a person did with the mail."""

from crm_relay.consent.person import Person
from crm_relay.consent.waiting.waiting_opt_outs import count_waiting, erase_waiting
from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import SqlValue, queries_beside

_SQL = queries_beside(__file__)


def erase_events(db: Queryable, person: Person) -> int:
    """How many events went, matched or waiting. Safe to call twice."""
    return len(db.run(_SQL["erase_engagement"], **_known_by(person))) + erase_waiting(db, person)


def count_events(db: Queryable, person: Person) -> int:
    """How many events are the person's."""
    return int(db.run(_SQL["count_engagement"], **_known_by(person))[0]["events"]) + count_waiting(db, person)


def _known_by(person: Person) -> dict[str, SqlValue]:
    return {
        "customer_ids": list(person.customer_ids),
        "addresses": list(person.addresses),
        "contact_ids": list(person.contact_ids),
    }
