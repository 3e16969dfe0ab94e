"""Fifty processes meet an expired token: the vendor is asked once, and no statement waits for it."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from crm_relay.platform.database import Database
from tests.support.connections import forked_refresher
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.forked_refresher import TokenOrder
from tests.support.connections.ledger_simulator import LedgerSimulator
from tests.support.platform.pooler import Pooler
from tests.support.platform.rows import one, rows_of
from tests.support.processes.fork_server import ForkServer

WORKERS = 50
KINDS = {"rotates": (True, False), "keeps": (False, False), "kills the old access token": (True, True)}


@pytest.fixture(scope="module")
def workers() -> Iterator[ForkServer]:
    with ForkServer(forked_refresher.MODULE) as server:
        yield server


@pytest.mark.parametrize("kind", KINDS)
def test_one_refresh_for_fifty_processes_behind_a_pooler_of_five(
    database: Database, database_url: str, tmp_path: Path, workers: ForkServer, kind: str
) -> None:
    rotates, kills = KINDS[kind]
    with (
        LedgerSimulator(rotates=rotates, kills=kills) as ledger,
        Pooler(database_url, tmp_path, server_connections=5) as pooler,
    ):
        stage = ConnectionStage(database, database_url, ledger.url)
        connection = stage.connect(credentials=ledger.grant(), expires_in=timedelta(seconds=-1))
        ledger.refresh_seconds = 1.5
        orders = [workers.start(TokenOrder(pooler.url, ledger.url, str(connection), {})) for _ in range(WORKERS)]
        waiting = longest_statement_while_asking(database, ledger)
        ends = [workers.end_of(pid) for pid in orders]

        assert len(ledger.refreshes) == 1
        assert {each["outcome"] for each in ends} <= ledger.access
        assert len({each["outcome"] for each in ends}) == 1
        assert one(database, "select generation from integration_secrets")["generation"] == 2
        assert waiting == 0


def longest_statement_while_asking(database: Database, ledger: LedgerSimulator) -> int:
    """How many server connections were in a transaction at any look while the vendor was being asked."""
    while not ledger.refreshes:
        time.sleep(0.01)
    seen = 0
    for _ in range(40):
        rows = rows_of(
            database,
            """select pid from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid()
                 and (
                     state like 'idle in transaction%'
                     or (state = 'active' and clock_timestamp() - query_start > interval '1 second')
                 )""",
        )
        seen = max(seen, len(rows))
        time.sleep(0.03)
    return seen


def test_a_storm_that_meets_a_dead_grant_asks_once_and_reports_once(
    database: Database, database_url: str, workers: ForkServer
) -> None:
    with LedgerSimulator() as ledger:
        stage = ConnectionStage(database, database_url, ledger.url)
        connection = stage.connect(
            credentials={"access_token": "a", "refresh_token": "dead"}, expires_in=timedelta(seconds=-1)
        )
        pids = [workers.start(TokenOrder(database_url, ledger.url, str(connection), {})) for _ in range(12)]
        ends = [workers.end_of(pid) for pid in pids]

        assert len(ledger.refreshes) == 1
        assert {each["outcome"] for each in ends} == {"reconnect"}
        assert sum(each["refused"] for each in ends) == 1
