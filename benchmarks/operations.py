"""What the operator's page costs where there is much: two million replicated rows, two years of runs."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

from benchmarks.figures import Figure, Subject, median
from benchmarks.servers import Servers
from crm_relay.edge_cache.dynamo.dynamo_table import DynamoTable
from crm_relay.operations.overview.read_overview import overview, status
from crm_relay.platform.aws.queue import aws_client
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Caller, Role
from crm_relay.platform.sql import parse_queries

_ROWS = 1_000_000
_LOOKS = 15
_FILL = parse_queries(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
_CALLER = Caller("bench", Role.READ)


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login, login.as_owner() as owner, patch.dict(os.environ, servers.aws.environment):
        _fill(owner)
        # In moto, with nothing in it: what waits is counted by one request a shard, however much there is elsewhere.
        aws_client.cache_clear()
        database, table = Database(login.url), DynamoTable(servers.aws.environment["EDGE_CACHE_TABLE"])
        look = "with 1 M prospects, 1 M e-mails, 300,000 runs"
        yield median("operations.status_ms", f"ms {look}", _times(lambda: status(database, table, utc_now())))
        seen = _times(lambda: overview(database, table, _CALLER, utc_now()))
        yield median("operations.dashboard_data_ms", f"ms {look}", seen)
        database.close()
        aws_client.cache_clear()


def _fill(owner: Database) -> None:
    owner.run_script("set session_replication_role = replica")  # what waits for the edge is not what is measured
    for query in _FILL.values():
        owner.run(query, rows=_ROWS)
    owner.run_script("set session_replication_role = default")
    owner.run_script("analyze")


def _times(look: Callable[[], object]) -> Iterator[float]:
    look()
    for _ in range(_LOOKS):
        began = time.perf_counter()
        look()
        yield (time.perf_counter() - began) * 1000


SUBJECT = Subject(("operations.status_ms", "operations.dashboard_data_ms"), _measure)
