"""Where somebody is synced to, for `crm-relay why`."""

from dataclasses import dataclass

from crm_relay.consent.person import Person
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)

LATEST = 50


@dataclass(frozen=True)
class PersonConnections:
    """Each record with the connection that it belongs to; without values. `refused_because`: the vendor refused it.
    `standing`: who left an audience, or is about to; `still_there_because`: why they were not unsubscribed there yet.

    `mail`: pitches to them and what became of each, and what they wrote to connected mailboxes.
    """

    records: list[Row]
    mail: list[Row]


def connections_of(db: Queryable, person: Person) -> PersonConnections:
    """Two statements."""
    addresses = sorted(person.addresses)
    records = db.run(_SQL["records_of_person"], addresses=addresses, limit=LATEST)
    return PersonConnections(records, db.run(_SQL["mail_of_person"], addresses=addresses, limit=LATEST))
