"""A workspace that is connected with a simulated Airtable, over the engine, under one clock for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm_relay.connections.models import SyncResult
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.providers.airtable.connector import AirtableConnector
from local.simulators.airtable import AirtableSimulator
from local.simulators.airtable.state import OAuthClient
from local.simulators.clock import MovableClock
from tests.support.connections.airtable_stage import AirtablePeople
from tests.support.connections.connection_stage import ConnectionStage

REDIRECT = "http://localhost/oauth/airtable/callback"


class AirtableSync(ConnectionStage):
    """`people`: the table there. Waits of the code take no time, so the simulator counts no requests a second."""

    def __init__(
        self, database: Database, url: str, sim: AirtableSimulator, email_type: str = "singleLineText"
    ) -> None:
        super().__init__(database, url, sim.url, AirtableConnector())
        self.sim = sim
        self.people = AirtablePeople(sim, email_type)
        self.connection: UUID | None = None

    def link(self, settings: Mapping[str, Any] | None = None, credentials: Mapping[str, Any] | None = None) -> UUID:
        """By a personal access token where no credentials are given."""
        chosen = {"plan": "business", **self.people.settings(), **dict(settings or {})}
        self.connection = self.connect(chosen, credentials or {"api_key": self.people.access.tokens[0]})
        return self.connection

    def sync(self, *, complete: bool = False) -> SyncResult:
        assert self.connection is not None
        return self.open(self.connection).sync(complete=complete)

    def pass_time(self, seconds: float = 900) -> None:
        """On both sides."""
        self.sim.advance(seconds)
        self.ahead = self.sim.account.clock.now() - utc_now()

    def rows(self) -> dict[str, dict[str, Any]]:
        """Of the table, by address; one address twice is an error."""
        found = {str(row.get("Email")): row for row in self.people.rows}
        assert len(found) == len(self.people.rows)
        return found

    def stream_of(self, result: SyncResult) -> Mapping[str, Any]:
        streams: Mapping[str, Mapping[str, Any]] = result.metadata["streams"]
        return streams[self.people.table.id]


def airtable_clock() -> MovableClock:
    """The real one, which a test may move."""
    return MovableClock()


def oauth_client(sim: AirtableSimulator) -> OAuthClient:
    """Registered under the id and secret of the stage."""
    made = OAuthClient("client", "secret", (REDIRECT,))
    sim.account.clients[made.client_id] = made
    return made
