"""Trials of the outbox: webhooks, workers that die or stop, a receiver that fails; and what came of it."""

import os
import random
import signal
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Database
from local.simulators.webhooks import WebhookReceiver
from tests.support.platform.rows import one, rows_of
from tests.support.processes.fork_server import ForkServer
from tests.support.workflows.forked_outbox import OutboxOrder
from tests.support.workflows.webhook_stage import WebhookStage

WEBHOOKS = 6
_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 429, "retry_after": "90"},
    {"kind": "cut_before"},
    {"kind": "cut_after"},
)
_JUMPS = (timedelta(), timedelta(minutes=1), timedelta(minutes=6), timedelta(hours=3), timedelta(minutes=-5))

WATCH = """
create table recorded (id uuid not null, state text not null);
create table settled (execution_id uuid not null);
create function note_recorded() returns trigger language plpgsql as $$
begin
    if new.state in ('delivered', 'failed', 'cancelled') then insert into recorded values (new.id, new.state); end if;
    return null;
end $$;
create function note_settled() returns trigger language plpgsql as $$
begin
    if new.next_run_at is not null then insert into settled values (new.id); end if;
    return null;
end $$;
create trigger note_recorded after update of state on workflow_webhooks for each row execute function note_recorded();
create trigger note_settled after update of next_run_at on workflow_executions
    for each row execute function note_settled();
"""
"""Every outcome that is recorded and every run that is made due, however often."""


@dataclass
class FoundWebhooks:
    """What one trial left behind: nothing of it may be there but `killed` and `stopped`."""

    recorded_twice: int = 0
    settled_twice: int = 0
    unfinished: int = 0
    not_arrived: int = 0
    logged_twice: int = 0
    another_id: int = 0
    killed: int = 0
    stopped: int = 0


@dataclass
class WebhookTrials:
    """One database and one receiver, under two names, for many trials."""

    url: str
    stage: WebhookStage
    receiver: WebhookReceiver
    forks: ForkServer

    @classmethod
    def begin(cls, database: Database, url: str, receiver: WebhookReceiver, forks: ForkServer) -> "WebhookTrials":
        database.run_script(WATCH)
        return cls(url, WebhookStage(database, url, receiver), receiver, forks)

    @property
    def urls(self) -> tuple[str, ...]:
        return self.receiver.url, self.receiver.url.replace("127.0.0.1", "localhost")

    def plant(self) -> list[UUID]:
        """Webhooks of runs of their own, for two hosts."""
        return [self.stage.webhook(f"{self.urls[n % 2]}/in", secret="crm") for n in range(WEBHOOKS)]

    def order(self, dies: dict[str, Any], *, fence: bool = True) -> OutboxOrder:
        return OutboxOrder(self.url, self.urls, self.stage.now.isoformat(), dies, fence)

    def live(self, order: OutboxOrder) -> dict[str, Any]:
        """One worker until its end."""
        return self._checked(self.forks.end_of(self.forks.start(order)))

    def chaos(self, seed: int, *, fence: bool = True) -> FoundWebhooks:
        """One trial: some rounds in which everything goes wrong, then peace; and what was found."""
        chance = random.Random(seed)
        webhooks = self.plant()
        killed = stopped = 0
        for _ in range(chance.randint(2, 3)):
            for _ in range(chance.randint(0, 3)):
                self.receiver.fault(**chance.choice(_FAULTS))
            workers = [self.forks.start(self.order(self._death(chance), fence=fence)) for _ in range(2)]
            ends = [self.forks.end_of(pid) for pid in workers]
            killed += sum(end.get("signal", 0) != 0 for end in ends)
            # The leases of the dead and of those who stand still have lapsed: somebody else goes on with their work.
            self._end_transactions()
            self.stage.lapse()
            self.live(self.order({}, fence=fence))
            for pid, end in zip(workers, ends, strict=True):
                if end.get("stopped"):
                    stopped += 1
                    os.kill(pid, signal.SIGCONT)
                    self.forks.end_of(pid)
            self.stage.now += chance.choice(_JUMPS)
        self.calm(fence=fence)
        found = self.look(webhooks)
        found.killed, found.stopped = killed, stopped
        return found

    def calm(self, *, fence: bool = True) -> None:
        """Runs in peace until nothing waits any more."""
        self.receiver.faults.clear()
        for _ in range(20):
            self.stage.lapse()
            self.live(self.order({}, fence=fence))
            if not rows_of(self.stage.db, "select from workflow_webhooks where state in ('waiting', 'sending')"):
                return
            self.stage.now += timedelta(hours=1)

    def look(self, webhooks: list[UUID]) -> FoundWebhooks:
        """Our rows against what the receiver got."""
        asked = {each.id for each in self.receiver.requests}
        taken = self.receiver.taken
        logs = "(select execution_id from workflow_execution_logs where level = 'info') log"
        recorded, settled, logged = (
            Counter(
                row["id"]
                for row in rows_of(
                    self.stage.db,
                    f"select webhook.id from workflow_webhooks webhook join {noted} using ({key})"
                    " where webhook.id = any (:ids::uuid[])",
                    ids=webhooks,
                )
            )
            for noted, key in (("recorded", "id"), ("settled", "execution_id"), (logs, "execution_id"))
        )
        open_rows = one(
            self.stage.db,
            "select count(*)::integer as n from workflow_webhooks"
            " where id = any (:ids::uuid[]) and state <> 'delivered'",
            ids=webhooks,
        )
        known = {row["id"] for row in rows_of(self.stage.db, "select id::text as id from workflow_webhooks")}
        return FoundWebhooks(
            recorded_twice=sum(recorded[each] != 1 for each in webhooks),
            settled_twice=sum(settled[each] != 1 for each in webhooks),
            unfinished=open_rows["n"],
            not_arrived=sum(str(each) not in taken for each in webhooks),
            logged_twice=sum(logged[each] != 1 for each in webhooks),
            another_id=len(asked - known),
        )

    def _end_transactions(self) -> None:
        """What a worker that stands still had begun is rolled back, as when the database ends an idle transaction."""
        rows_of(
            self.stage.db,
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and state like 'idle in transaction%'",
        )

    def _death(self, chance: random.Random) -> dict[str, Any]:
        stops = chance.random() < 0.4
        match chance.randint(0, 9):
            case 0:
                return {}
            case 1 | 2 | 3 | 4 | 5:
                return {"step": chance.randint(4, 14), "before": chance.random() < 0.5, "stops": stops}
            case _:
                return {"line": chance.randint(1, 1_500), "stops": stops}

    def _checked(self, ended: dict[str, Any]) -> dict[str, Any]:
        if ended.get("code") and not ended.get("signal"):
            raise AssertionError(f"a worker failed with exit code {ended['code']}")
        return ended
