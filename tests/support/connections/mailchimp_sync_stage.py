"""A workspace that is connected with a simulated Mailchimp, over the engine, under one clock for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm_relay.connections.models import SyncResult
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.providers.mailchimp.connector import MailchimpConnector
from local.simulators.mailchimp import MailchimpSimulator
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.mailchimp_stage import MailchimpPeople
from tests.support.platform.rows import rows_of


class MailchimpSync(ConnectionStage):
    """`people`: the audience there. Waits of the code take no time."""

    def __init__(self, database: Database, url: str, sim: MailchimpSimulator) -> None:
        super().__init__(database, url, sim.url, MailchimpConnector())
        self.sim = sim
        self.people = MailchimpPeople(sim)
        self.connection: UUID | None = None

    def link(self, settings: Mapping[str, Any] | None = None, credentials: Mapping[str, Any] | None = None) -> UUID:
        """By an API key where no credentials are given."""
        chosen = {**self.people.settings(), **dict(settings or {})}
        self.connection = self.connect(chosen, credentials or {"api_key": self.people.access.tokens[0]})
        return self.connection

    def sync(self, *, complete: bool = False) -> SyncResult:
        assert self.connection is not None
        return self.open(self.connection).sync(complete=complete)

    def pass_time(self, seconds: float = 900) -> None:
        """On both sides."""
        self.sim.advance(seconds)
        self.ahead = self.sim.state.now() - utc_now()

    def members(self) -> dict[str, str]:
        """Address -> status there."""
        return {each.address: each.status for each in self.people.audience.members.values()}

    def ledger(self) -> list[tuple[str, str]]:
        """Kind and address of each event that Mailchimp brought."""
        rows = rows_of(self.db, "select kind, address from consent_events where source = 'mailchimp' order by id")
        return [(row["kind"], row["address"]) for row in rows]

    def opt_out(self, address: str) -> None:
        """In the CRM, by whatever door."""
        rows_of(
            self.db,
            """insert into consent_events (org_id, channel, address, kind, source, occurred_at)
               values (:org, 'email', :address, 'opt_out', 'crm', :now)""",
            org=self.org,
            address=address,
            now=self.now(),
        )

    def stream_of(self, result: SyncResult) -> Mapping[str, Any]:
        streams: Mapping[str, Mapping[str, Any]] = result.metadata["streams"]
        return streams[self.people.audience.id]
