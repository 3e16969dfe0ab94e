"""Which mails a person was sent or was not, and why, for `crm-relay why`; never what they say."""

from dataclasses import dataclass

from crm_relay.consent.person import Person
from crm_relay.delivery import person_store
from crm_relay.platform.database import Row, Runs

LATEST = 20
"""So many mails are told, the newest ones."""


@dataclass(frozen=True)
class Delivery:
    """`mails`: status, reason and times, newest first; `topics_left`: what they want no more of."""

    mails: list[Row]
    topics_left: list[Row]


def delivery_of(db: Runs, person: Person) -> Delivery:
    """Two statements, whatever there is."""
    addresses = list(person.addresses)
    return Delivery(person_store.mails(db, addresses, at_most=LATEST), person_store.topics_left(db, addresses))
