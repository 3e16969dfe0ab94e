"""Which mails a person was sent or was not, and why, for `crm-relay why`; never what they say."""

from dataclasses import dataclass

from crm_relay.consent.person import Person
from crm_relay.mail import store
from crm_relay.platform.database import Queryable, Row

LATEST = 20
"""So many mails are told, the newest ones."""


@dataclass(frozen=True)
class MailHistory:
    """`mails`: status, reason and times, newest first; `topics_left`: what they want no more of."""

    mails: list[Row]
    topics_left: list[Row]


def delivery_of(db: Queryable, person: Person) -> MailHistory:
    """Two statements, whatever there is."""
    addresses = list(person.addresses)
    return MailHistory(store.mails(db, addresses, limit=LATEST), store.topics_left(db, addresses))
