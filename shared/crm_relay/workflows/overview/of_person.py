"""Runs about somebody and starts that were refused, for `crm-relay why`."""

from dataclasses import dataclass

from crm_relay.consent.person import Person
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__, "person.sql")

LATEST = 20


@dataclass(frozen=True)
class PersonWorkflows:
    """The newest of each kind, of the person's contacts and of what names them, such as a deal; without values.

    `not_started`: `reason` is the gate that refused; `crm-relay workflow why` shows it with what it compared.
    """

    runs: list[Row]
    not_started: list[Row]


def workflows_of(db: Queryable, person: Person) -> PersonWorkflows:
    """One statement."""
    rows = db.run(_SQL["runs_of_person"], addresses=sorted(person.addresses), limit=LATEST)
    runs = [row for row in rows if row["execution_id"] is not None]
    return PersonWorkflows(runs, [row for row in rows if row["execution_id"] is None])
