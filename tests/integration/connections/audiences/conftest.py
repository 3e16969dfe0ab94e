"""An audience that is connected with a workspace."""

from collections.abc import Iterator

import pytest

from crm_relay.platform.database import Database
from local.simulators.mailchimp import MailchimpSimulator
from tests.support.connections.mailchimp_sync_stage import MailchimpSync


@pytest.fixture
def sim() -> Iterator[MailchimpSimulator]:
    with MailchimpSimulator() as running:
        yield running


@pytest.fixture
def stage(database: Database, database_url: str, sim: MailchimpSimulator) -> MailchimpSync:
    return MailchimpSync(database, database_url, sim)
