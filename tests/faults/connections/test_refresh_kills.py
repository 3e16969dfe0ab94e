"""A worker is killed at every line and statement of a refresh: the account stays connected, or asks once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from crm_relay.platform.database import Database
from tests.support.connections import forked_refresher
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.forked_refresher import TokenOrder
from tests.support.connections.ledger_simulator import LedgerSimulator
from tests.support.platform.rows import rows_of
from tests.support.processes.fork_server import ForkServer


@pytest.fixture(scope="module")
def workers() -> Iterator[ForkServer]:
    with ForkServer(forked_refresher.MODULE) as server:
        yield server


def killed_then_tried_again(
    database: Database, url: str, workers: ForkServer, dies: dict[str, Any], *, rotates: bool
) -> tuple[dict[str, Any], dict[str, Any], int, int]:
    """How the killed one ended, how the next one did after the lease, how often it was said, and the refreshes."""
    with LedgerSimulator(rotates=rotates, kills=rotates) as ledger:
        stage = ConnectionStage(database, url, ledger.url)
        connection = stage.connect(credentials=ledger.grant(), expires_in=timedelta(seconds=-1))
        killed = workers.end_of(workers.start(TokenOrder(url, ledger.url, str(connection), dies)))
        # Nobody waits a minute here for the lease of the dead.
        rows_of(database, "update integration_secrets set refresh_until = now() where refresh_until is not null")
        reported = 0
        outcomes = []
        for _ in range(2):
            following = workers.end_of(workers.start(TokenOrder(url, ledger.url, str(connection), {})))
            reported += following["refused"]
            outcomes.append(following)
        assert outcomes[0]["outcome"] == outcomes[1]["outcome"]
        if outcomes[0]["outcome"] != "reconnect":
            assert outcomes[0]["outcome"] in ledger.access
        rows_of(database, "delete from integration_connections")
        return killed, outcomes[0], reported, len(ledger.refreshes)


@pytest.mark.parametrize(
    ("rotates", "every"),
    [
        pytest.param(True, 17, id="rotates, some lines"),
        pytest.param(True, 1, id="rotates", marks=pytest.mark.slow),
        pytest.param(False, 1, id="keeps", marks=pytest.mark.slow),
    ],
)
def test_killed_at_every_line(
    database: Database, database_url: str, workers: ForkServer, *, rotates: bool, every: int
) -> None:
    whole, _, _, _ = killed_then_tried_again(database, database_url, workers, {"line": -1}, rotates=rotates)
    lines = int(whole["lines"])
    assert lines > 60
    lost = 0
    for line in range(1, lines + 1, every):
        killed, after, reported, refreshes = killed_then_tried_again(
            database, database_url, workers, {"line": line}, rotates=rotates
        )
        assert killed["signal"] == 9, line
        assert refreshes <= 2, line
        if after["outcome"] == "reconnect":
            lost += 1
            assert (rotates, reported) == (True, 1), line
    # Between a rotating vendor's answer and its storing the grant is gone, and nowhere else.
    assert lost <= lines // every // 2
    assert rotates or lost == 0


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_every_statement(database: Database, database_url: str, workers: ForkServer, *, before: bool) -> None:
    whole, _, _, _ = killed_then_tried_again(database, database_url, workers, {}, rotates=True)
    for step in range(1, int(whole["steps"]) + 1):
        _, after, reported, refreshes = killed_then_tried_again(
            database, database_url, workers, {"step": step, "before": before}, rotates=True
        )
        assert refreshes <= 2
        assert (after["outcome"] == "reconnect") == (reported == 1)
