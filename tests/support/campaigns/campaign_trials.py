"""Trials of the engine: a campaign, workers that die, clocks that jump, a provider that fails; and what came of it."""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.mail.stops.stop_sending import resume_sending, stop_sending
from crm_relay.platform.database import Database
from crm_relay.platform.sql import Json
from local.simulators.clock import MovableClock
from local.simulators.resend import ResendSimulator
from tests.support.platform.rows import one, rows_of
from tests.support.processes.fork_server import ForkServer
from tests.support.processes.forked_worker import Order

PEOPLE, MAILS = 6, 2
BEGIN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
FAULTS = ("500_before", "500_after", "cut_before", "cut_after", "garbled_after", "502_page", "429")
# When an operator stops sending in a round: before the workers begin, while they are at work, or not.
_BRAKES = ("before", "beside", None, None)
_RESUMED = 0.6
_JUMPS = (
    timedelta(),
    timedelta(minutes=1),
    timedelta(minutes=2),
    timedelta(minutes=2),
    timedelta(hours=3),
    timedelta(days=1),
)


@dataclass
class Found:
    """What one trial left behind: nothing of it may be there but `parked`, which is told and never sent again."""

    twice: int = 0
    lost: int = 0
    unfinished: int = 0
    unaccounted: int = 0
    parked: int = 0
    killed: int = 0
    while_stopped: int = 0
    stops: int = 0


@dataclass
class TrialStage:
    """One database and one Resend for many trials, each with a campaign and people of its own."""

    url: str
    database: Database
    simulator: ResendSimulator
    forks: ForkServer
    now: datetime = BEGIN
    trials: int = 0
    total: Counter[str] = field(default_factory=Counter)

    @classmethod
    def clocked(cls) -> tuple["ResendSimulator", MovableClock]:
        """A simulator whose time stands until it is moved."""
        clock = MovableClock(lambda: BEGIN)
        return ResendSimulator(clock=clock, requests_per_second=None), clock

    def campaign(self) -> UUID:
        """Two e-mails with a pause in between and a task behind them, for people whom nobody wrote to before."""
        self.trials += 1
        # A change after which what is held is asked again, so that a run may die while it looks.
        rows_of(
            self.database,
            "insert into delivery_limits (org_id, emails_per_minute) values (default_org_id(), 100)"
            " on conflict (org_id) do update set updated_at = now() returning org_id",
        )
        campaign: UUID = one(
            self.database,
            "insert into campaigns (name, status, send_window_start, send_window_end, timezone, activated_at) "
            "values ('Trial', 'active', '08:00', '18:00', 'UTC', :now) returning id",
            now=self.now,
        )["id"]
        steps = [{"n": n + 1, "channel": "email", "days": int(n > 0)} for n in range(MAILS)]
        rows_of(
            self.database,
            "insert into campaign_sequences (campaign_id, step_number, channel, delay_days, subject, body_html) "
            "select :campaign, n, channel, days, 'Step ' || n, '<p>Hello {{contact.first_name}}</p>' "
            "from jsonb_to_recordset(:steps) as step (n integer, channel text, days integer) returning id",
            campaign=campaign,
            steps=Json([*steps, {"n": MAILS + 1, "channel": "task", "days": 0}]),
        )
        rows_of(
            self.database,
            "with someone as ("
            " insert into contacts (email, first_name)"
            " select 'p' || n || '.' || :trial || '@example.com', 'P'"
            " from generate_series(1, :people) n returning id, org_id, email"
            ") insert into campaign_enrollments (org_id, campaign_id, contact_id, address, next_step_at)"
            " select org_id, :campaign, id, email, :now from someone returning id",
            campaign=campaign,
            trial=self.trials,
            people=PEOPLE,
            now=self.now,
        )
        return campaign

    def order(self, dies: dict[str, Any], *, ledger: bool = True) -> Order:
        """One worker at this moment."""
        return Order(self.url, self.simulator.url, self.simulator.api_key, self.now.isoformat(), dies, ledger)

    def move(self, by: timedelta) -> None:
        """Both clocks."""
        self.now += by
        self.simulator.advance(by.total_seconds())

    def live(self, order: Order) -> dict[str, Any]:
        """One worker until its end."""
        ended = self.forks.end_of(self.forks.start(order))
        if not ended["signal"] and ended["code"]:
            raise AssertionError(f"a worker failed with exit code {ended['code']}")
        return ended

    def calm(self, campaign: UUID, *, ledger: bool = True) -> None:
        """Runs in peace until nothing is due any more."""
        self.simulator.faults.clear()
        for _ in range(40):
            self.live(self.order({}, ledger=ledger))
            if not self._waits(campaign):
                return
            self.move(max(self._next() - self.now, timedelta(minutes=2)))

    def chaos(self, seed: int, *, ledger: bool = True) -> Found:
        """One trial: some rounds in which everything goes wrong, then peace; and what was found."""
        chance = random.Random(seed)
        campaign = self.campaign()
        killed = stops = while_stopped = 0
        is_stopped = False
        for _ in range(chance.randint(2, 4)):
            for _ in range(chance.randint(0, 2)):
                self.simulator.fault(chance.choice(FAULTS))
            orders = [self.order(self._death(chance), ledger=ledger) for _ in range(chance.choice((1, 1, 2)))]
            brake = chance.choice(_BRAKES)
            if brake == "before":
                stop_sending(self.database, self.now)
            is_stopped |= brake == "before"
            requests = self.simulator.requests.total()
            workers = [self.forks.start(each) for each in orders]
            if brake == "beside":
                stop_sending(self.database, self.now)
            ends = [self.forks.end_of(pid) for pid in workers]
            killed += sum(end["signal"] != 0 for end in ends)
            stops += brake is not None
            while_stopped += (self.simulator.requests.total() - requests) * is_stopped
            is_stopped |= brake == "beside"
            if chance.random() < _RESUMED:
                resume_sending(self.database, self.now)
                is_stopped = False
            self.simulator.faults.clear()
            self.move(chance.choice(_JUMPS))
        resume_sending(self.database, self.now)
        self.calm(campaign, ledger=ledger)
        found = self.look(campaign)
        found.killed, found.stops, found.while_stopped = killed, stops, while_stopped
        return found

    def look(self, campaign: UUID) -> Found:
        """The ledger of the provider against ours."""
        taken = Counter(mail.tags["send"] for mail in self.simulator.mails)
        sends = rows_of(
            self.database,
            "select id::text as id, status from email_sends where campaign_id = :campaign",
            campaign=campaign,
        )
        parked = {row["id"] for row in sends if row["status"] == "unknown"}
        lines = one(
            self.database,
            "select count(*) filter (where channel = 'email' and status = 'sent')::integer as sent,"
            " count(*)::integer as lines from campaign_sequence_logs where campaign_id = :campaign",
            campaign=campaign,
        )
        people = one(
            self.database,
            "select count(*)::integer as open from campaign_enrollments"
            " where campaign_id = :campaign and status <> 'completed'",
            campaign=campaign,
        )
        broken = one(
            self.database,
            "select count(*)::integer as steps from campaign_step_accounting"
            " where campaign_id = :campaign and not (holds and pending = 0)",
            campaign=campaign,
        )
        got = {row["id"] for row in sends if taken[row["id"]]}
        return Found(
            twice=sum(taken[row["id"]] > 1 for row in sends) + (len(sends) > PEOPLE * MAILS),
            lost=PEOPLE * MAILS - len(got | parked) + abs(lines["sent"] - PEOPLE * MAILS + len(parked)),
            unfinished=people["open"] + PEOPLE * (MAILS + 1) - lines["lines"],
            unaccounted=broken["steps"],
            parked=len(parked),
        )

    def _next(self) -> datetime:
        """When anything is due next."""
        found: datetime | None = one(
            self.database,
            "select least((select min(next_step_at) from campaign_enrollments where status = 'active'),"
            " (select min(not_before) from email_batches where state in ('queued', 'sending'))) as at",
        )["at"]
        return found or self.now

    def _waits(self, campaign: UUID) -> bool:
        waiting: int = one(
            self.database,
            "select (select count(*) from campaign_enrollments where campaign_id = :campaign and status = 'active')"
            " + (select count(*) from campaign_sequence_logs where campaign_id = :campaign and status = 'pending')"
            " as n",
            campaign=campaign,
        )["n"]
        return waiting > 0

    def _death(self, chance: random.Random) -> dict[str, Any]:
        match chance.randint(0, 9):
            case 0 | 1:
                return {}
            case 2 | 3 | 4 | 5:
                return {"step": chance.randint(1, 16), "before": chance.random() < 0.5}
            case _:
                return {"line": chance.randint(1, 9000)}
