"""An operator stops and resumes sending at random moments beside two workers whose clocks differ and jump."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import pytest

from crm_relay.campaigns.engine.run_due_steps import EngineContext, run_due_steps
from crm_relay.mail.stops.stop_sending import resume_sending, stop_sending
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import Query, SqlValue
from crm_relay.providers.answers import EmailAnswer, TextAnswer
from crm_relay.providers.resend.client import Resend
from crm_relay.providers.twilio.client import Twilio
from local.simulators.resend import MovableClock, ResendSimulator
from local.simulators.twilio import TwilioSimulator
from tests.conftest import fresh_database
from tests.support.campaigns.campaign_harness import ALWAYS, BEGIN, LIVE, PUBLIC_URL, CampaignHarness, email, step
from tests.support.platform.rows import one, rows_of

T = TypeVar("T")

PEOPLE = 24
WAITS = ({"minutes": 1}, {"minutes": 2}, {"minutes": 20}, {"hours": 7}, {"hours": 26})


@dataclass
class StopBook:
    """Every gate, request, stop and resume in the order in which they were."""

    db: Database
    chance: random.Random
    now: Callable[[], datetime]
    likelihood: float = 0.12
    ticks: Iterator[int] = field(default_factory=count)
    lock: threading.Lock = field(default_factory=threading.Lock)
    # Committed at, and when its end began.
    stops: list[list[int]] = field(default_factory=list)
    asked: list[tuple[int, int]] = field(default_factory=list)

    def perhaps(self) -> None:
        """An operator acts now, or not."""
        with self.lock:
            if self.chance.random() < self.likelihood:
                self.change()

    def change(self) -> None:
        if self.is_stopped:
            self.stops[-1].append(next(self.ticks))
            resume_sending(self.db, self.now())
        else:
            stop_sending(self.db, self.now())
            self.stops.append([next(self.ticks)])

    @property
    def is_stopped(self) -> bool:
        return bool(self.stops) and len(self.stops[-1]) == 1

    def too_late(self) -> list[tuple[int, int]]:
        """Gates that let something pass although they were asked between a stop's commit and its end."""
        return [
            (begun, ended)
            for begun, ended in self.asked
            for stopped, *resumed in self.stops
            if stopped < begun and all(ended < each for each in resumed)
        ]


class GateWatchingDatabase(Database):
    """Notes when its last gate was asked."""

    def __init__(self, url: str, book: StopBook) -> None:
        super().__init__(url)
        self.book = book
        self.gate = (0, 0)

    def transact(self, work: Callable[[Transaction], T]) -> T:
        begun = next(self.book.ticks)
        done = super().transact(work)
        self.gate = (begun, next(self.book.ticks))
        self.book.perhaps()
        return done

    def run(self, query: Query, **values: SqlValue) -> list[Row]:
        begun = next(self.book.ticks)
        rows = super().run(query, **values)
        if query.name == "claim_text":
            self.gate = (begun, next(self.book.ticks))
        self.book.perhaps()
        return rows


class WatchedResend(Resend):
    """Takes seven mails at once, so that a run has many requests."""

    largest_batch = 7
    database: GateWatchingDatabase

    def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
        self.database.book.asked.append(self.database.gate)
        answer = super().send_batch(payload, key)
        self.database.book.perhaps()
        return answer


class WatchedTwilio(Twilio):
    """As WatchedResend."""

    database: GateWatchingDatabase

    def send(self, to: str, body: str) -> TextAnswer:
        self.database.book.asked.append(self.database.gate)
        return super().send(to, body)


def worker(harness: CampaignHarness, twilio: TwilioSimulator, book: StopBook, skew: timedelta) -> None:
    """One run of a process of its own, whose clock differs."""
    database = GateWatchingDatabase(harness.url, book)
    emails = WatchedResend(HttpClient(harness.sim.url, timeout=(2, 10), repeats=0), harness.sim.api_key)
    http = HttpClient(twilio.url, timeout=(2, 10), repeats=0)
    texts = WatchedTwilio(http, twilio.account_sid, twilio.auth_token, twilio.number)
    emails.database = texts.database = database
    run_due_steps(
        database,
        EngineContext(emails, LIVE, PUBLIC_URL, texts=texts),
        lambda: harness.now + skew,
        Deadline.after(600),
    )
    database.close()


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(100, 200))])
def test_no_gate_that_is_asked_after_a_stop_lets_anything_pass_and_everybody_gets_each_step_once(
    campaigns: CampaignHarness, seed: int
) -> None:
    campaigns.limit(None)
    chance = random.Random(seed)
    book = StopBook(campaigns.db, chance, campaigns.clock)
    campaign = campaigns.campaign(email(1), step("sms", 2, body_text="Hello"), email(3, delay_hours=20), **ALWAYS)
    for number in range(PEOPLE):
        contact = campaigns.contact(f"p{number}@example.com", phone=f"+155501{number:05}")
        campaigns.enroll(campaign, contact)
    with TwilioSimulator(now=campaigns.clock) as twilio, ThreadPoolExecutor(2) as threads:
        for _ in range(5):
            skews = [timedelta(seconds=chance.randint(-90, 90)) for _ in range(2)]
            for run in [threads.submit(worker, campaigns, twilio, book, skew) for skew in skews]:
                run.result()
            campaigns.wait(**chance.choice(WAITS))
        if book.is_stopped:
            book.change()
        book.likelihood = 0
        while rows_of(campaigns.db, "select id from campaign_enrollments where status = 'active'"):
            worker(campaigns, twilio, book, timedelta())
            campaigns.wait(minutes=30)
        texts = Counter(each.to for each in twilio.texts)
    assert book.too_late() == []
    assert book.stops
    assert (set(campaigns.sim.sends.values()), len(campaigns.sim.sends)) == ({2}, PEOPLE)
    assert (set(texts.values()), len(texts)) == ({1}, PEOPLE)
    assert {status for _, status, _ in campaigns.lines()} == {"sent"}


# --- a stop is a pause of all campaigns -----------------------------------------------------------------------------


@contextmanager
def crm(postgres_url: str) -> Iterator[CampaignHarness]:
    """For one of two histories in one test."""
    time = [BEGIN]
    with (
        fresh_database(postgres_url) as url,
        ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as simulator,
    ):
        database = Database(url)
        yield CampaignHarness(database, simulator, url, time)
        database.close()


def by_stop(harness: CampaignHarness, stops: bool) -> None:
    (stop_sending if stops else resume_sending)(harness.db, harness.now)


def by_pause(harness: CampaignHarness, stops: bool) -> None:
    rows_of(
        harness.db,
        "update campaigns set status = :status where status in ('active', 'paused') returning id",
        status="paused" if stops else "active",
    )
    # A changed campaign may have another window, so its trigger also asks again whom the window holds. A stop changes
    # no window: a step that became late outside it is settled when it opens, not when sending is resumed.
    rows_of(harness.db, "update hold_changes set reasons = array_remove(reasons, 'window') returning id")


def lived(harness: CampaignHarness, seed: int, hold: Callable[[CampaignHarness, bool], None]) -> list[tuple[Any, ...]]:
    """What everybody got and when, and how each step ended; the same draws for the same seed."""
    chance = random.Random(seed)
    harness.limit(None, cap=chance.choice([None, (1, 2)]))
    for name, policy in (("one", "send"), ("two", "skip"), ("three", "send_within")):
        campaign = harness.campaign(
            email(1),
            step("task", 2, delay_hours=3),
            email(3, delay_days=1),
            email(4, delay_minutes=30),
            name=name,
            late_policy=policy,
            late_minutes=120,
            send_window_end=chance.choice(["17:00", "23:59"]),
            timezone=chance.choice(["UTC", "Europe/Berlin"]),
        )
        for number in range(4):
            due = harness.now + timedelta(minutes=chance.randint(0, 600))
            harness.enroll(campaign, harness.contact(f"{name}{number}@example.com"), due=due)
    stops = False
    for _ in range(50):
        if chance.random() < 0.3:
            stops = not stops
            hold(harness, stops)
        if chance.random() < 0.05:
            harness.suppress(f"{chance.choice(['one', 'two', 'three'])}{chance.randint(0, 3)}@example.com", "opt_out")
        harness.tick()
        harness.wait(minutes=chance.choice([1, 20, 60, 300]))
    hold(harness, False)
    while rows_of(harness.db, "select id from campaign_enrollments where status = 'active'"):
        harness.tick()
        harness.wait(minutes=60)
    mails = [(each.recipients[0], each.payload["subject"], each.at) for each in harness.sim.mails]
    lines = rows_of(
        harness.db,
        """select enrollment.address, line.step_number, line.status, line.reason, line.sent_at, line.scheduled_at
           from campaign_sequence_logs line
           join campaign_enrollments enrollment on enrollment.id = line.enrollment_id""",
    )
    return sorted(mails) + sorted((tuple(row.values()) for row in lines), key=str)


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(100, 140))])
def test_a_history_with_stops_is_the_one_with_pauses_of_all_campaigns(postgres_url: str, seed: int) -> None:
    with crm(postgres_url) as stopped, crm(postgres_url) as paused:
        by_stops, by_pauses = lived(stopped, seed, by_stop), lived(paused, seed, by_pause)
        assert by_stops == by_pauses
        assert one(stopped.db, "select count(*) as n from sending_stops")["n"] > 0
        assert "sent" in {line[2] for line in by_stops if len(line) == 6}
