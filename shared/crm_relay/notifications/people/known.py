"""What somebody was notified of, and what colleagues were notified of about them, for `crm-relay why`."""

from dataclasses import dataclass

from crm_relay.consent.person import Person
from crm_relay.notifications.people import store
from crm_relay.platform.database import Queryable, Row

LATEST = 20


@dataclass(frozen=True)
class PersonNotifications:
    """The newest of each kind, without their words; `deliveries` of each are by channel, with state and reason.

    `received`: of a colleague with this address or id. `about`: of colleagues, about a contact, prospect or customer.
    """

    received: list[Row]
    about: list[Row]


def notifications_of(db: Queryable, person: Person) -> PersonNotifications:
    """One statement."""
    rows = store.notifications_of(db, addresses=sorted(person.addresses), ids=sorted(person.customer_ids), limit=LATEST)
    received = [row for row in rows if row["is_received"]]
    return PersonNotifications(received, [row for row in rows if not row["is_received"]])
