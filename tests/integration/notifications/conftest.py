"""The stage of notifications."""

from collections.abc import Iterator

import pytest

from crm_relay.platform.database import Database
from local.simulators.clock import MovableClock
from local.simulators.resend import ResendSimulator
from tests.support.notifications.notification_harness import WEDNESDAY, NotificationHarness


@pytest.fixture
def crew(database: Database, database_url: str) -> Iterator[NotificationHarness]:
    """An organization whose colleagues are notified, and a Resend under the same clock."""
    time = [WEDNESDAY]
    with ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as simulator:
        yield NotificationHarness(database, simulator, database_url, time)
