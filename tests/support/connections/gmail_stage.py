"""A workspace that is connected with simulated mailboxes, over the engine, under one clock for both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.models import SyncResult
from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database, Row
from crm_relay.providers.gmail.connector import GmailConnector
from local.simulators.gmail import GmailSimulator
from local.simulators.gmail.state import GoogleClient
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.platform.rows import one, rows_of
from tests.support.processes.sudden_death import Life

MARY = "mary@example.org"
LIVE = SendPolicy(Mode.LIVE)
OPT_OUT = """insert into consent_events (org_id, channel, address, kind, source, occurred_at)
             values (:org, 'email', :address, 'opt_out', 'crm', :at)"""
REDIRECT = "http://localhost/oauth/gmail/callback"


class GmailStage(ConnectionStage):
    """One mailbox of Mary's unless more are linked. `policy`: what may leave."""

    policy: SendPolicy = LIVE

    def __init__(self, database: Database, url: str, sim: GmailSimulator) -> None:
        self.sim = sim
        super().__init__(database, url, sim.url, GmailConnector())
        # The id and secret of the stage.
        sim.google.clients["client"] = GoogleClient("client", "secret", (REDIRECT,))
        self.connection: UUID | None = None

    def context_for(self, life: Life | None = None) -> ConnectionContext:
        return replace(super().context_for(life), mail_policy=self.policy)

    def use_policy(self, policy: SendPolicy) -> None:
        self.policy = policy
        self.context = self.context_for()

    def link(self, address: str = MARY, settings: Mapping[str, Any] | None = None, **more: Any) -> UUID:
        """By consent of the one whose mailbox it is."""
        issued = self.sim.consent("client", address)
        grant = {name: issued[name] for name in ("access_token", "refresh_token")}
        made = self.connect(settings, grant, **more)
        self.connection = self.connection or made
        return made

    def sync(self, connection: UUID | None = None) -> SyncResult:
        chosen = connection or self.connection
        assert chosen is not None
        return self.open(chosen).sync()

    def pass_time(self, seconds: float = 900) -> None:
        """On both sides."""
        self.sim.advance(seconds)
        self.ahead = self.sim.google.clock.now() - utc_now()

    def pitch(self, address: str | None = "ada@example.com", **columns: Any) -> UUID:
        """One that is queued."""
        given = {"address": address, "subject": "An idea", "body_text": "Hello Ada", "status": "queued"} | columns
        pitch = uuid4()
        names = ["id", "workspace_id", *given]
        rows_of(
            self.db,
            f"insert into pitches ({', '.join(names)}) values ({', '.join(':' + name for name in names)})",
            id=pitch,
            workspace_id=self.workspace,
            **given,
        )
        return pitch

    def pitch_row(self, pitch: UUID) -> Row:
        return one(self.db, "select * from pitches where id = :id", id=pitch)

    def status(self, pitch: UUID) -> str:
        status: str = self.pitch_row(pitch)["status"]
        return status

    def waits_for(self, pitch: UUID) -> tuple[str, str | None]:
        row = self.pitch_row(pitch)
        return row["status"], row["held_for"]

    def sent(self, address: str = MARY) -> list[str]:
        """The recipient of each message that the account has sent."""
        return [each.header("To") for each in self.sim.sent(address)]

    def drafts(self, address: str = MARY) -> int:
        return len(self.sim.account(address).drafts)

    def items(self) -> list[Row]:
        return rows_of(self.db, "select * from inbox_items where source = 'gmail' order by received_at, from_address")

    def senders(self) -> list[str]:
        return sorted(row["from_address"] for row in self.items())

    def opt_out(self, address: str, at: datetime | None = None) -> None:
        rows_of(self.db, OPT_OUT, org=self.org, address=address, at=at or self.now())
