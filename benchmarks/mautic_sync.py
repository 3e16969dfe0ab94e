"""What a run of the sync costs: requests to Mautic, statements, calls of the lease, and time of our own."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests

from benchmarks.customers import change_customers, insert_customers, settle
from benchmarks.figures import Figure, Subject, median
from benchmarks.servers import Login, Servers
from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.customers.models import SyncOptions, SyncReport
from crm_relay.customers.run import SyncContext
from crm_relay.customers.syncing.sync_customers import sync_contacts
from crm_relay.engagement.match_waiting import match_waiting
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.mautic.client import Mautic
from local.simulators.mautic import MauticSimulator
from tests.support.platform.counting_proxy import CountingProxy

CHANGED = 1000
_CUSTOMERS = 2000
_RUNS = 3


class TimedSession(requests.Session):
    """Knows how long it waited for the other side, answers read to their end; JSON is made and read outside."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """As the base class does it."""
        began = time.perf_counter()
        try:
            return super().send(request, **kwargs)
        finally:
            self.seconds += time.perf_counter() - began


class CountedLease:
    """Always free; each call would be one of DynamoDB's."""

    def __init__(self) -> None:
        self.calls = 0

    def acquire(self) -> bool:
        """Nobody else is there."""
        self.calls += 1
        return True

    def renew(self) -> None:
        """Nobody has taken over."""
        self.calls += 1

    def release(self) -> None:
        """Nobody waits."""
        self.calls += 1


@dataclass(frozen=True)
class MauticSyncCost:
    """Of one run. `requests` is what the simulator saw, token included; `own_seconds` leaves its answers out."""

    requests: int
    statements: int
    lease_calls: int
    own_seconds: float


@dataclass(frozen=True)
class Costs:
    """The run after a thousand customers had changed, and the one after it."""

    changed: MauticSyncCost
    idle: MauticSyncCost


@dataclass(frozen=True)
class _Stage:
    proxy: CountingProxy
    database: Database
    simulator: MauticSimulator


def measure_costs(login: Login, customers: int = _CUSTOMERS) -> Costs:
    """Sync `customers` for the first time, change the names of a thousand, sync; sync once more."""
    with login.as_owner() as owner, MauticSimulator() as simulator, CountingProxy(login.url) as proxy:
        insert_customers(owner, customers)
        stage = _Stage(proxy, Database(proxy.url), simulator)
        _cost(stage, expected=customers)
        settle(owner)
        change_customers(owner, CHANGED)
        costs = Costs(changed=_cost(stage, expected=CHANGED), idle=_cost(stage, expected=0))
        stage.database.close()
        return costs


def _cost(stage: _Stage, *, expected: int) -> MauticSyncCost:
    """What the function does with an order of the schedule, with a new token and an open database connection."""
    session, lease = TimedSession(), CountedLease()
    run = _run(stage, session, lease)
    stage.proxy.forget()
    stage.simulator.forget_requests()
    began = time.perf_counter()
    match_waiting(stage.database, CONTACTS)
    report = sync_contacts(run)
    seconds = time.perf_counter() - began
    if report.synced != expected or report.failures or report.stopped:
        raise RuntimeError(f"the run did not do what is measured: {report.answer()}")
    statements = len(stage.proxy.queries) + stage.proxy.other_messages.count("P")
    return MauticSyncCost(len(stage.simulator.requests), statements, lease.calls, seconds - session.seconds)


def _run(stage: _Stage, session: TimedSession, lease: CountedLease) -> SyncContext:
    mautic = Mautic(HttpClient(stage.simulator.url, session=session), "crm-relay", "simulator-secret")
    options = SyncOptions(pause_seconds=0)
    return SyncContext(
        stage.database, mautic, lease, options, utc_now, Deadline.after(600), SyncReport(datetime.now(UTC))
    )


def _costs(servers: Servers) -> Iterator[Costs]:
    for _ in range(_RUNS):
        with servers.database() as login:
            yield measure_costs(login)


def _measure(servers: Servers) -> Iterator[Figure]:
    costs = list(_costs(servers))
    changed, idle = [each.changed for each in costs], [each.idle for each in costs]
    name, unit = "mautic_sync.{}_per_1000_changed", "per 1,000 changed"
    yield median(name.format("requests"), f"HTTP requests {unit}", [each.requests for each in changed])
    yield median(name.format("statements"), f"statements {unit}", [each.statements for each in changed])
    yield median(name.format("lease_calls"), f"calls of DynamoDB {unit}", [each.lease_calls for each in changed])
    yield median("mautic_sync.idle_requests", "HTTP requests, nothing changed", [each.requests for each in idle])
    yield median("mautic_sync.idle_statements", "statements, nothing changed", [each.statements for each in idle])
    own = [each.own_seconds for each in changed]
    yield median("mautic_sync.seconds_per_1000_changed_without_simulator", f"s {unit}, database included", own)
    idle_milliseconds = [each.own_seconds * 1000 for each in idle]
    yield median("mautic_sync.idle_ms", "ms, nothing changed, database included", idle_milliseconds)


SUBJECT = Subject(
    (
        "mautic_sync.requests_per_1000_changed",
        "mautic_sync.statements_per_1000_changed",
        "mautic_sync.lease_calls_per_1000_changed",
        "mautic_sync.idle_requests",
        "mautic_sync.idle_statements",
        "mautic_sync.seconds_per_1000_changed_without_simulator",
        "mautic_sync.idle_ms",
    ),
    _measure,
)
