"""A workspace connected with the made-up service, or with a simulated mailbox."""

from collections.abc import Iterator

import pytest

from crm_relay.platform.aws.queue import aws_client
from crm_relay.platform.database import Database
from local.aws.moto_server import MotoServer, client_of
from local.simulators.clock import MovableClock
from local.simulators.gmail import GmailSimulator
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.gmail_stage import GmailStage
from tests.support.connections.ledger_simulator import LedgerSimulator
from tests.support.function_settings import WITHOUT_AWS


@pytest.fixture
def ledger() -> Iterator[LedgerSimulator]:
    with LedgerSimulator() as simulator:
        yield simulator


@pytest.fixture
def stage(database: Database, database_url: str, ledger: LedgerSimulator) -> ConnectionStage:
    return ConnectionStage(database, database_url, ledger.url)


@pytest.fixture
def gmail_sim() -> Iterator[GmailSimulator]:
    with GmailSimulator(clock=MovableClock(), units_per_minute=None) as running:
        yield running


@pytest.fixture
def gmail(database: Database, database_url: str, gmail_sim: GmailSimulator) -> GmailStage:
    made = GmailStage(database, database_url, gmail_sim)
    made.link()
    return made


@pytest.fixture
def kms_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A symmetric key in a key service of this test."""
    server = MotoServer()
    server.start()
    for name, value in (WITHOUT_AWS | {"AWS_ENDPOINT_URL": server.url}).items():
        monkeypatch.setenv(name, value)
    aws_client.cache_clear()
    yield client_of(server.url, "kms").create_key()["KeyMetadata"]["Arn"]
    aws_client.cache_clear()
    server.stop()
