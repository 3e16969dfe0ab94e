"""How many requests it costs to look at a connected mailbox: every account is looked at every quarter of an hour."""

from collections.abc import Iterator

from benchmarks.connectors import requests_of_a_sync
from benchmarks.figures import Figure, Subject
from benchmarks.servers import Login, Servers
from local.simulators.clock import MovableClock
from local.simulators.gmail import GmailSimulator
from tests.support.connections.gmail_stage import GmailStage


def measure_idle_mailbox(login: Login) -> int:
    """Requests of a sync that finds nothing new, with a reply before it that was read."""
    with (
        GmailSimulator(clock=MovableClock(), units_per_minute=None) as sim,
        login.as_owner() as owner,
    ):
        stage = GmailStage(owner, login.owner_url, sim)
        stage.link()
        requests_of_a_sync(stage)
        sim.deliver("ada@example.com")
        stage.pass_time()
        requests_of_a_sync(stage)
        if stage.senders() != ["ada@example.com"]:
            raise RuntimeError("the reply was not read")
        stage.pass_time()
        return requests_of_a_sync(stage)


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        idle = measure_idle_mailbox(login)
    yield Figure("connections.requests_per_1000.gmail_idle", idle, "requests an account where nothing came", 1)


SUBJECT = Subject(("connections.requests_per_1000.gmail_idle",), _measure)
