"""The stage of workflows."""

import pytest

from crm_relay.platform.database import Database
from tests.support.workflows.definitions import DefinitionShelf
from tests.support.workflows.event_stage import EventStage


@pytest.fixture
def stage(database: Database, database_url: str) -> EventStage:
    """An organization without records, and nobody who listens."""
    return EventStage(database, database_url)


@pytest.fixture
def shelf(database: Database) -> DefinitionShelf:
    """An organization without workflows."""
    return DefinitionShelf(database)
