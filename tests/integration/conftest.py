"""Fixtures of the tests that need a database and another side of it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crm_relay.platform.database import Database
from local.simulators.mautic import MauticSimulator
from local.simulators.resend import ResendSimulator
from local.simulators.resend.clock import MovableClock
from tests.conftest import fresh_database
from tests.support.campaigns.campaign_world import BEGIN, CampaignWorld
from tests.support.customers.mautic_world import CLIENT, MauticWorld
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.edge_cache.edge_world import EdgeWorld


@pytest.fixture
def world(database: Database) -> Iterator[MauticWorld]:
    """An empty CRM and an empty, prepared Mautic."""
    with MauticSimulator(port=0, client_id=CLIENT[0], client_secret=CLIENT[1]) as simulator:
        yield MauticWorld(database, simulator)


@pytest.fixture
def campaigns(database: Database, database_url: str) -> Iterator[CampaignWorld]:
    """An organization that may send, and a Resend under the same clock; the accounts are balanced after each test."""
    time = [BEGIN]
    with ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as simulator:
        world = CampaignWorld(database, simulator, database_url, time)
        yield world
        world.assert_accounts()


@pytest.fixture
def edge(database: Database, database_url: str) -> EdgeWorld:
    """A CRM with a row in each table, and a cache that has them."""
    world = EdgeWorld(database, url=database_url)
    world.begin()
    return world


@contextmanager
def database_of_an_edge(postgres_url: str, table: EdgeTwin | None = None) -> Iterator[EdgeWorld]:
    """The same for one history of many in one test."""
    with fresh_database(postgres_url) as url:
        world = EdgeWorld(Database(url), table or EdgeTwin(), url=url)
        world.begin()
        yield world
        world.db.close()


@contextmanager
def database_of_its_own(postgres_url: str) -> Iterator[MauticWorld]:
    """A world for one history of many in one test."""
    with (
        fresh_database(postgres_url) as url,
        MauticSimulator(client_id=CLIENT[0], client_secret=CLIENT[1]) as simulator,
    ):
        database = Database(url)
        yield MauticWorld(database, simulator, url=url)
        database.close()
