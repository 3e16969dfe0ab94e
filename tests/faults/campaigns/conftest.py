"""A CRM with campaigns under a clock of the test's."""

from collections.abc import Iterator

import pytest

from crm_relay.platform.database import Database
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.campaigns.campaign_harness import BEGIN, CampaignHarness


@pytest.fixture
def campaigns(database: Database, database_url: str) -> Iterator[CampaignHarness]:
    """An organization that may send, and a Resend under the same clock."""
    time = [BEGIN]
    with ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as simulator:
        yield CampaignHarness(database, simulator, database_url, time)
