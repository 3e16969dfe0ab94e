"""One life of a mailbox: pitches that leave and replies that come in, and what has to be true in the end."""

from __future__ import annotations

from contextlib import suppress

from crm_relay.connections.engine.open_sync import open_sync
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from local.simulators.gmail import GmailSimulator
from tests.support.connections.gmail_stage import GmailStage
from tests.support.platform.rows import rows_of
from tests.support.processes.sudden_death import Killed, Life

PEOPLE = ("ada@example.com", "grace@example.com")
SENDERS = ["early@example.com", "late@example.com"]


class GmailTrial:
    def __init__(self, database: Database, url: str, sim: GmailSimulator) -> None:
        for table in ("inbox_items", "pitches", "integration_connections", "incidents"):
            rows_of(database, f"delete from {table}")
        sim.faults.clear()
        sim.google.accounts.clear()
        self.sim = sim
        self.stage = GmailStage(database, url, sim)
        self.stage.pass_time(0)
        self.stage.link()
        self.pitches = [self.stage.pitch(each) for each in PEOPLE]

    def life(self, life: Life | None = None) -> None:
        """Two syncs with mail before each; a worker that dies on the way has no successor here."""
        self.sim.deliver(SENDERS[0], at=self.stage.now())
        self._sync(life)
        self.sim.deliver(SENDERS[1], at=self.stage.now())
        self.stage.pass_time(600)
        self._sync(life)

    def settle(self) -> None:
        """Nothing breaks any more, and time passes: a few rounds later nothing is left to do, or it never will."""
        self.sim.faults.clear()
        for _ in range(4):
            self.stage.pass_time(4_000)
            rows_of(
                self.stage.db,
                """update integration_connections
                   set held_for = null, status = 'active', lease = null, leased_until = null""",
            )
            rows_of(self.stage.db, "update integration_secrets set refused_generation = null")
            self._sync(None)

    def assert_once(self) -> None:
        """Each pitch left once, and is known to have; each reply is kept once; nothing is left behind."""
        assert sorted(self.stage.sent()) == sorted(PEOPLE)
        assert [self.stage.status(each) for each in self.pitches] == ["sent", "sent"]
        assert self.stage.senders() == SENDERS
        assert self.stage.rejects() == []
        assert "pitch_unknown" not in self.stage.incidents()

    def _sync(self, life: Life | None) -> None:
        stage = self.stage
        assert stage.connection is not None
        db, context = (stage.db, stage.context) if life is None else stage.mortal(life)
        with suppress(Killed):
            open_sync(db, context, stage.connection, clock=stage.now, deadline=Deadline.after(300)).sync()
