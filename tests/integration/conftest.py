"""Fixtures of the tests that need a database and a Mautic."""

from collections.abc import Iterator

import pytest

from crm_relay.platform.database import Database
from local.simulators.mautic import MauticSimulator
from tests.support.mautic_world import CLIENT, MauticWorld


@pytest.fixture
def world(database: Database) -> Iterator[MauticWorld]:
    """An empty CRM and an empty, prepared Mautic."""
    with MauticSimulator(port=0, client_id=CLIENT[0], client_secret=CLIENT[1]) as simulator:
        yield MauticWorld(database, simulator)
