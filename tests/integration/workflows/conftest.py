"""The stage of workflows."""

from collections.abc import Iterator

import pytest

from crm_relay.platform.database import Database
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.workflows.definitions import DefinitionShelf
from tests.support.workflows.event_stage import EventStage
from tests.support.workflows.run_harness import WEDNESDAY, RunHarness


@pytest.fixture
def stage(database: Database, database_url: str) -> EventStage:
    """An organization without records, and nobody who listens."""
    return EventStage(database, database_url)


@pytest.fixture
def shelf(database: Database) -> DefinitionShelf:
    """An organization without workflows."""
    return DefinitionShelf(database)


@pytest.fixture
def runs(database: Database, database_url: str) -> Iterator[RunHarness]:
    """An organization with an address, and a Resend under the same clock."""
    time = [WEDNESDAY]
    with ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as simulator:
        yield RunHarness(database, simulator, database_url, time)
