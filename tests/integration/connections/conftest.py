"""A workspace connected with the made-up service."""

from collections.abc import Iterator

import pytest

from crm_relay.platform.database import Database
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.ledger_simulator import LedgerSimulator


@pytest.fixture
def ledger() -> Iterator[LedgerSimulator]:
    with LedgerSimulator() as simulator:
        yield simulator


@pytest.fixture
def stage(database: Database, database_url: str, ledger: LedgerSimulator) -> ConnectionStage:
    return ConnectionStage(database, database_url, ledger.url)
