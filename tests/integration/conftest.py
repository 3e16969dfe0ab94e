"""Fixtures of the tests that need a database and a Mautic."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crm_relay.platform.database import Database
from local.simulators.mautic import MauticSimulator
from tests.conftest import fresh_database
from tests.support.mautic_world import CLIENT, MauticWorld


@pytest.fixture
def world(database: Database) -> Iterator[MauticWorld]:
    """An empty CRM and an empty, prepared Mautic."""
    with MauticSimulator(port=0, client_id=CLIENT[0], client_secret=CLIENT[1]) as simulator:
        yield MauticWorld(database, simulator)


@contextmanager
def database_of_its_own(postgres_url: str) -> Iterator[MauticWorld]:
    """A world for one history of many in one test."""
    with (
        fresh_database(postgres_url) as url,
        MauticSimulator(client_id=CLIENT[0], client_secret=CLIENT[1]) as simulator,
    ):
        database = Database(url)
        yield MauticWorld(database, simulator)
        database.close()
