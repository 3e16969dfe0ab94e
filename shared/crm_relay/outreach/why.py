"""What cold outreach knows of a person, for `crm-relay why`."""

from dataclasses import dataclass

from crm_relay.consent.person import Person
from crm_relay.outreach import store
from crm_relay.platform.database import Queryable, Row

LATEST = 20
"""So many leads and replies are told, the newest ones."""


@dataclass(frozen=True)
class OutreachHistory:
    """`leads` are interested ones, one a workspace; `replies` came in through EmailBison. Never what they say."""

    leads: list[Row]
    replies: list[Row]


def outreach_of(db: Queryable, person: Person) -> OutreachHistory:
    """Two statements, whatever there is."""
    addresses = list(person.addresses)
    return OutreachHistory(store.leads_of(db, addresses, limit=LATEST), store.replies_of(db, addresses, limit=LATEST))
