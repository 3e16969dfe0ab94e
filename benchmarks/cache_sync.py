"""What replication to the edge costs: calls of the table, statements, and time of our own."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figures import Figure, Subject, median
from benchmarks.servers import Login, Servers
from crm_relay.edge_cache.replication.run import SyncRun
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.platform.counting_proxy import CountingProxy

CHANGED = 5000
_ROWS = 20_000
_RUNS = 3


@dataclass(frozen=True)
class CacheSyncCost:
    """Of one run to the cache, whose table is in memory."""

    calls: int
    statements: int
    seconds: float


def measure_cost(login: Login, rows: int = _ROWS) -> CacheSyncCost:
    """Fill a cache with `rows` prospects, change CHANGED of them in one statement, and bring those to the edge."""
    with login.as_owner() as owner, CountingProxy(login.url) as proxy:
        owner.run_script(f"insert into prospects (name) select 'P' || n from generate_series(1, {rows}) n")
        database, table = Database(proxy.url), EdgeTwin()
        run = SyncRun(database, table, utc_now, Deadline.after(600))
        run.to_cache()
        run.to_cache()
        owner.run_script(f"update prospects set stage = 'bulk' where id in (select id from prospects limit {CHANGED})")
        proxy.forget()
        calls, began = table.calls, time.perf_counter()
        answer = run.to_cache()
        seconds = time.perf_counter() - began
        database.close()
        if answer["written"] != CHANGED:
            raise RuntimeError(f"the run did not do what is measured: {answer}")
        return CacheSyncCost(table.calls - calls, len(proxy.queries) + proxy.other_messages.count("P"), seconds)


def _measure(servers: Servers) -> Iterator[Figure]:
    costs = []
    for _ in range(_RUNS):
        with servers.database() as login:
            costs.append(measure_cost(login))
    yield median("cache_sync.writes_per_changed_row", "calls a row", [each.calls / CHANGED for each in costs])
    per_thousand = [each.statements * 1000 / CHANGED for each in costs]
    yield median("cache_sync.statements_per_1000_rows", "statements", per_thousand)
    yield median("cache_sync.rows_per_second", "rows/s, table in memory", [CHANGED / each.seconds for each in costs])


SUBJECT = Subject(
    ("cache_sync.writes_per_changed_row", "cache_sync.statements_per_1000_rows", "cache_sync.rows_per_second"),
    _measure,
)
