"""A million customers, a thousand of them changed: what the run, the nightly comparison and the memory come to."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from benchmarks.customers import (
    change_customers,
    confirm_everybody,
    email_of,
    insert_customers,
    insert_opt_outs,
    uuid_of,
)
from benchmarks.figures import Figure, Subject
from benchmarks.mautic_sync import CHANGED, CountedLease, TimedSession
from benchmarks.servers import Login, Servers
from benchmarks.sync_process import compare_everybody
from crm_relay.customers.models import SyncOptions, SyncReport
from crm_relay.customers.run import SyncContext
from crm_relay.customers.syncing.sync_customers import sync_contacts
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.mautic.client import Mautic
from local.simulators.mautic import MauticSimulator
from local.simulators.mautic.state import SimulatedContact

_CUSTOMERS = 1_000_000


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        with login.as_owner() as owner:
            insert_customers(owner, _CUSTOMERS)
            insert_opt_outs(owner, _CUSTOMERS)
            confirm_everybody(owner)
        run = compare_everybody(servers, login)
        yield Figure("mautic_sync.full_compare_seconds_1m", run["seconds"], "s per 1,000,000 customers", 1)
        yield Figure("mautic_sync.peak_mb", run["peak_mb"], "MB resident at most, 1,000,000 customers compared", 1)
        with login.as_owner() as owner:
            change_customers(owner, CHANGED)
        seconds = _seconds_for_the_changed(login)
    name = "mautic_sync.run_seconds_1m_customers_1000_changed"
    yield Figure(name, seconds, "s without the simulator's own time", 1)


def _seconds_for_the_changed(login: Login) -> float:
    with MauticSimulator() as simulator:
        for number in range(1, CHANGED + 1):
            fields = {"email": email_of(number), "supabase_id": str(uuid_of(number))}
            simulator.mautic.store(SimulatedContact(number, datetime.now(UTC), fields=fields))
        session, database = TimedSession(), Database(login.url, timeout=60.0)
        mautic = Mautic(HttpClient(simulator.url, session=session), "crm-relay", "simulator-secret")
        options, report = SyncOptions(pause_seconds=0, audit_sample=0), SyncReport(datetime.now(UTC))
        run = SyncContext(database, mautic, CountedLease(), options, utc_now, Deadline.after(600), report)
        began = time.perf_counter()
        sync_contacts(run)
        seconds = time.perf_counter() - began - session.seconds
        database.close()
    if report.updated != CHANGED or report.failures or report.stopped:
        raise RuntimeError(f"the run did not do what is measured: {report.answer()}")
    return seconds


SUBJECT = Subject(
    (
        "mautic_sync.full_compare_seconds_1m",
        "mautic_sync.peak_mb",
        "mautic_sync.run_seconds_1m_customers_1000_changed",
    ),
    _measure,
)
