"""Fixtures of the tests that need a database and another side of it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.twilio.client import Twilio
from local.simulators.clock import MovableClock
from local.simulators.mautic import MauticSimulator
from local.simulators.resend import ResendSimulator
from local.simulators.twilio import TwilioSimulator
from tests.conftest import fresh_database
from tests.support.campaigns.campaign_harness import BEGIN, CampaignHarness
from tests.support.customers.mautic_harness import CLIENT, MauticHarness
from tests.support.edge_cache.edge_harness import EdgeHarness
from tests.support.edge_cache.edge_twin import EdgeTwin


@pytest.fixture
def harness(database: Database) -> Iterator[MauticHarness]:
    """An empty CRM and an empty, prepared Mautic."""
    with MauticSimulator(port=0, client_id=CLIENT[0], client_secret=CLIENT[1]) as simulator:
        yield MauticHarness(database, simulator)


@pytest.fixture
def campaigns(database: Database, database_url: str) -> Iterator[CampaignHarness]:
    """An organization that may send, and a Resend under the same clock; the accounts are balanced after each test."""
    time = [BEGIN]
    with ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as simulator:
        harness = CampaignHarness(database, simulator, database_url, time)
        yield harness
        harness.assert_accounts()


@pytest.fixture
def twilio(campaigns: CampaignHarness) -> Iterator[TwilioSimulator]:
    """A Twilio under the clock of `campaigns`, which sends its text messages there."""
    with TwilioSimulator(now=campaigns.clock) as simulator:
        http = HttpClient(simulator.url, timeout=(2, 5), repeats=0)
        campaigns.texts = Twilio(http, simulator.account_sid, simulator.auth_token, simulator.number)
        yield simulator


@pytest.fixture
def edge(database: Database, database_url: str) -> EdgeHarness:
    """A CRM with a row in each table, and a cache that has them."""
    harness = EdgeHarness(database, url=database_url)
    harness.begin()
    return harness


@contextmanager
def database_of_an_edge(postgres_url: str, table: EdgeTwin | None = None) -> Iterator[EdgeHarness]:
    """The same for one history of many in one test."""
    with fresh_database(postgres_url) as url:
        harness = EdgeHarness(Database(url), table or EdgeTwin(), url=url)
        harness.begin()
        yield harness
        harness.db.close()


@contextmanager
def database_of_its_own(postgres_url: str) -> Iterator[MauticHarness]:
    """A harness for one history of many in one test."""
    with (
        fresh_database(postgres_url) as url,
        MauticSimulator(client_id=CLIENT[0], client_secret=CLIENT[1]) as simulator,
    ):
        database = Database(url)
        yield MauticHarness(database, simulator, url=url)
        database.close()
