"""How many requests it costs to keep a table of Airtable equal to contacts: its plans count them by the month."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.connectors import CONTACTS, add_contacts, requests_of_a_sync
from benchmarks.figures import Figure, Subject
from benchmarks.servers import Login, Servers
from local.simulators.airtable import AirtableSimulator
from tests.support.connections.airtable_sync_stage import AirtableSync, airtable_clock


@dataclass(frozen=True)
class AirtableCost:
    """`first`: of a sync that sends CONTACTS. `idle`: of one that finds nothing new on either side."""

    first: int
    idle: int


def measure_airtable(login: Login) -> AirtableCost:
    """The waits that Airtable's limits of a second ask for are left out."""
    with (
        AirtableSimulator(clock=airtable_clock(), requests_per_second=None) as sim,
        login.as_owner() as owner,
    ):
        add_contacts(owner)
        stage = AirtableSync(owner, login.owner_url, sim)
        stage.link()
        first = requests_of_a_sync(stage)
        if len(stage.rows()) != CONTACTS:
            raise RuntimeError("not every contact was sent")
        # The echo of our own writes is read once.
        stage.pass_time()
        requests_of_a_sync(stage)
        stage.pass_time()
        return AirtableCost(first, requests_of_a_sync(stage))


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        cost = measure_airtable(login)
    yield Figure("connections.requests_per_1000.airtable", cost.first, "requests, ten records in a write", 1)
    yield Figure("connections.idle_requests", cost.idle, "requests of a sync that finds nothing", 1)


SUBJECT = Subject(("connections.requests_per_1000.airtable", "connections.idle_requests"), _measure)
