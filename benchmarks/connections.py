"""Connections: statements for a thousand records, a refresh storm, and a full comparison."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from benchmarks.figures import Figure, Subject
from benchmarks.servers import Servers
from crm_relay.connections.engine.open_sync import open_sync
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.models import SyncResult
from crm_relay.connections.tokens.vault import Vault
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import Query
from crm_relay.providers.connectors.setup import ConnectorSetup
from tests.support.connections.connection_stage import ConnectionStage, StaticKey
from tests.support.connections.ledger_simulator import LedgerSimulator
from tests.support.connections.memory_vendor import MemoryVendor
from tests.support.platform.counting_proxy import CountingProxy

_THOUSAND, _MANY, _WORKERS = 1_000, 100_000, 50
_PEOPLE = Query.parse(
    "people",
    "people to sync",
    """insert into contacts (org_id, email, first_name, last_name, title)
       select :org, 'p' || n || '@example.com', 'First ' || n, 'Last ' || n, 'Title'
       from generate_series(1, :number) n""",
)


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        yield Figure(
            "connections.statements_per_1000_records",
            count_statements(login.url),
            "per 1,000 contacts sent and read",
            1,
        )
    with servers.database() as login:
        yield Figure("connections.refresh_storm_requests", count_refreshes(login.url), f"of {_WORKERS} workers", 1)
    with servers.database() as login:
        yield Figure("connections.full_compare_100k_seconds", compare_seconds(login.url), "s of ours", 1)


def _stage(url: str, vendor: MemoryVendor) -> tuple[ConnectionStage, UUID]:
    stage = ConnectionStage(Database(url), url, "http://127.0.0.1:9", vendor)
    return stage, stage.connect({}, {"api_key": "key"})


def _sync(url: str, stage: ConnectionStage, connection: UUID, vendor: MemoryVendor, *, complete: bool) -> SyncResult:
    setup = ConnectorSetup(vendor, lambda access, settings: vendor.open(HttpClient(""), access, settings))
    context = ConnectionContext(Vault(StaticKey()), {vendor.name: setup}, stage.sleeps.append)
    database = Database(url, timeout=300)
    sync = open_sync(database, context, connection, clock=stage.now, deadline=Deadline.after(3_000))
    result = sync.sync(complete=complete)
    database.close()
    if not result.success:
        raise AssertionError(result.errors)
    return result


def count_statements(url: str) -> float:
    """For a thousand contacts that go there.

    What a sync costs whatever it finds is left out: it is measured by one that finds nothing.
    """
    vendor = MemoryVendor()
    stage, connection = _stage(url, vendor)
    with CountingProxy(url) as proxy:
        _sync(proxy.url, stage, connection, vendor, complete=True)
        proxy.forget()
        _sync(proxy.url, stage, connection, vendor, complete=False)
        idle = len(proxy.queries)
        stage.db.run(_PEOPLE, org=stage.org, number=_THOUSAND)
        proxy.forget()
        _sync(proxy.url, stage, connection, vendor, complete=False)
        return len(proxy.queries) - idle


def count_refreshes(url: str) -> float:
    """Requests for a token by fifty workers that meet an expired one at once."""
    with LedgerSimulator() as simulator:
        stage = ConnectionStage(Database(url), url, simulator.url)
        connection = stage.connect(credentials=simulator.grant(), expires_in=timedelta(seconds=-1))
        simulator.refresh_seconds = 1.0

        def work() -> None:
            database = Database(url)
            context = ConnectionContext(stage.context.vault, stage.context.setups, lambda _seconds: time.sleep(0.1))
            open_sync(database, context, connection, clock=stage.now).tokens.keeper.token()
            database.close()

        workers = [threading.Thread(target=work) for _ in range(_WORKERS)]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
        return len(simulator.refreshes)


def compare_seconds(url: str) -> float:
    """A complete pass over a hundred thousand linked records that are equal, with its comparison."""
    vendor = MemoryVendor()
    stage, connection = _stage(url, vendor)
    stage.db.run(_PEOPLE, org=stage.org, number=_MANY)
    _sync(url, stage, connection, vendor, complete=True)
    began = time.perf_counter()
    result = _sync(url, stage, connection, vendor, complete=True)
    seconds = time.perf_counter() - began
    compared = result.metadata["streams"]["memory"]["compared"]
    if not compared["is_equal"] or compared["ours"] != _MANY:
        raise AssertionError(compared)
    return seconds


SUBJECT = Subject(
    (
        "connections.statements_per_1000_records",
        "connections.refresh_storm_requests",
        "connections.full_compare_100k_seconds",
    ),
    _measure,
)
