"""What an event costs in processor time and in the log of the database; what catching up costs beside a bulk insert."""

import itertools
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.compared_sources import BISON
from benchmarks.figures import Figure, Subject, median
from benchmarks.function_settings import function_settings
from benchmarks.outreach import SETTINGS, delivered, plant_workspaces
from benchmarks.servers import Login, Servers
from bison_webhook import wiring
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.sql import Query, Rows, SqlValue
from crm_relay.sources.bison import bison_source
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.receive import LARGEST_BATCH, apply_all_stored

_WARM, _EVENTS = 200, 1000
_ROUNDS, _BATCHES = 7, 6
_BACKENDS = Query.parse(
    "backends", "who works for the function", "select pid from pg_stat_activity where usename = :name"
)
_WRITTEN = Query.parse("written", "where its log ends", "select pg_current_wal_insert_lsn() - '0/0' as bytes")
_BULK = Query.parse(
    "bulk",
    "the least that keeping them can cost",
    """insert into webhook_inbox (source, dedupe_key, headers, body, received_at, applied_at)
       values :rows as row (
           source text, dedupe_key text, headers jsonb, body text, received_at timestamptz, applied_at timestamptz
       )""",
)


def _measure_event(servers: Servers) -> Iterator[Figure]:
    """One event at a time, as the function gets it; the processor time is the function's and its backend's."""
    numbers = itertools.count(1)
    with servers.database() as login, login.as_owner() as owner:
        plant_workspaces(login)
        with function_settings(wiring.dependencies, login.url, SETTINGS):
            for _ in range(_WARM):
                delivered(next(numbers), 0)
            processes = [os.getpid(), *(row["pid"] for row in owner.run(_BACKENDS, name="crm_relay"))]
            busy, written = [], []
            for _ in range(_ROUNDS):
                before = _busy_seconds(processes), int(owner.run(_WRITTEN)[0]["bytes"])
                for _ in range(_EVENTS // _ROUNDS):
                    delivered(next(numbers), 0)
                after = _busy_seconds(processes), int(owner.run(_WRITTEN)[0]["bytes"])
                busy.append(1e6 * (after[0] - before[0]) / (_EVENTS // _ROUNDS))
                written.append((after[1] - before[1]) / (_EVENTS // _ROUNDS))
        yield median("bison_webhook.cpu_us_per_event", "µs of processor time, function and database", busy)
        yield median("bison_webhook.wal_bytes_per_event", "bytes of the database's log per event", written)


def _busy_seconds(processes: Sequence[int]) -> float:
    """Linux counts in nanoseconds; elsewhere this process alone is known."""
    files = [Path(f"/proc/{process}/schedstat") for process in processes]
    if not all(file.exists() for file in files):
        return time.process_time()
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def _measure_catch_up(servers: Servers) -> Iterator[Figure]:
    """Stored deliveries by the way of the deferred queue, beside nothing but an insert of the same bodies."""
    source = bison_source("")
    with servers.database() as login:
        bodies = _bodies(login)
        database = Database(login.url, timeout=60)
        try:
            rates, ratios = [], []
            for each in range(_ROUNDS + 1):
                deliveries = list(itertools.islice(bodies, LARGEST_BATCH * _BATCHES))
                began = time.perf_counter()
                outcomes = apply_all_stored(database, source, deliveries)
                applied = time.perf_counter()
                _insert(database, list(itertools.islice(bodies, LARGEST_BATCH * _BATCHES)))
                inserted = time.perf_counter()
                if not all(isinstance(outcome, DeliveryOutcome) and outcome.processed for outcome in outcomes):
                    raise RuntimeError("a delivery was not applied")
                if each:
                    rates.append(len(deliveries) / (applied - began))
                    ratios.append((applied - began) / (inserted - applied))
        finally:
            database.close()
    yield median("webhooks.catch_up_events_per_s", "events/s, EmailBison's, one environment", rates)
    yield median("webhooks.catch_up_to_bulk_insert", "times as long as an insert of the same bodies alone", ratios)


def _bodies(login: Login) -> Iterator[Delivered]:
    order = BISON.fill(login)
    for kind in itertools.cycle(BISON.together):
        made = order(kind)
        yield Delivered("bison", made["body"].encode(), utc_now(), workspace_name=made["workspace"], origin="deferred")


def _insert(database: Database, deliveries: Sequence[Delivered]) -> None:
    for begin in range(0, len(deliveries), LARGEST_BATCH):
        rows: list[dict[str, SqlValue]] = [
            {
                "source": "bulk",
                "dedupe_key": each.dedupe_key,
                "headers": "{}",
                "body": each.body.decode(),
                "received_at": each.received_at,
                "applied_at": each.received_at,
            }
            for each in deliveries[begin : begin + LARGEST_BATCH]
        ]
        database.run(_BULK, rows=Rows(rows))


def _measure(servers: Servers) -> Iterator[Figure]:
    yield from _measure_event(servers)
    yield from _measure_catch_up(servers)


SUBJECT = Subject(
    (
        "bison_webhook.cpu_us_per_event",
        "bison_webhook.wal_bytes_per_event",
        "webhooks.catch_up_events_per_s",
        "webhooks.catch_up_to_bulk_insert",
    ),
    _measure,
)
