"""A database of the former version is upgraded while that version runs: nothing is lost, nothing is done twice."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from crm_relay.mail.feedback.unsubscribe import UnsubscribeRequest
from crm_relay.platform.database import Database
from crm_relay.platform.migrations import migrate, read_migrations
from crm_relay.sources.resend import RESEND
from crm_relay.sources.unsubscribe import UNSUBSCRIBE
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_once
from crm_relay.webhooks.source import Received
from local.simulators.resend import MovableClock, ResendSimulator
from local.simulators.resend.webhooks.delivery import HookMessage
from tests.support.campaigns.campaign_harness import BEGIN, CampaignHarness, email
from tests.support.platform.rows import one, rows_of
from tests.support.source_tree import ROOT
from tests.support.upgrades.former_version import VersionWorker, is_in_history, unpack

PEOPLE, STEPS = 18, 5
WITHOUT_HISTORY = "the former version is not in this clone's history (git fetch --unshallow)"


@dataclass
class UpgradeHarness:
    """A campaign, and two workers of each version; `delivered` counts how often each message was brought."""

    campaigns: CampaignHarness
    former: list[VersionWorker]
    url: str
    read: int = 0
    delivered: Counter[str] = field(default_factory=Counter)

    def round(self, *versions: str, beside: Callable[[], object] | None = None) -> None:
        """All workers of these versions run the engine at once, then bring in what Resend tells of it."""
        messages = list(self.campaigns.sim.messages)
        jobs = [job for version in versions for job in self._engines(version)]
        with ThreadPoolExecutor(len(jobs) + 1) as threads:
            begun: list[Future[object]] = [threads.submit(job) for job in [*jobs, *([beside] if beside else [])]]
            for each in begun:
                each.result()
        self._read_mails()
        new = [each for each in self.campaigns.sim.messages if each not in messages]
        with ThreadPoolExecutor(2 * len(versions)) as threads:
            delivering: list[Future[None]] = [threads.submit(job) for job in self._deliveries(new, versions)]
            for done in delivering:
                done.result()
        self.campaigns.wait(minutes=31)

    def leave(self, number: int, version: str) -> None:
        """Somebody presses the button in their latest mail."""
        row = one(
            self.campaigns.db,
            """select unsubscribe_token as token from email_sends where address = :address
               order by queued_at desc limit 1""",
            address=f"person{number}@example.com",
        )
        if version == "former":
            self.former[0].ask(token=row["token"], now=self.campaigns.now.isoformat())
            return
        wanted = UnsubscribeRequest(row["token"], False, self.campaigns.now, None)
        delivered = Delivered(UNSUBSCRIBE.name, wanted.to_body(), self.campaigns.now)
        apply_once(self.campaigns.db, UNSUBSCRIBE, Received(delivered, wanted))

    def _engines(self, version: str) -> list[Callable[[], object]]:
        now = self.campaigns.now.isoformat()
        if version == "former":
            return [partial(worker.ask, run=True, now=now) for worker in self.former]
        return [self._run_present for _ in range(2)]

    def _run_present(self) -> None:
        database = Database(self.url)
        self.campaigns.tick(db=database)
        database.close()

    def _read_mails(self) -> None:
        """Every new mail is opened twice and clicked once, so long after it was sent that a person did it."""
        simulator = self.campaigns.sim
        new = simulator.mails[self.read :]
        self.read += len(new)
        for act in (simulator.opened, simulator.opened, simulator.clicked):
            self.campaigns.wait(seconds=40)
            for mail in new:
                act(mail)

    def _deliveries(self, messages: list[HookMessage], versions: tuple[str, ...]) -> Iterator[Callable[[], None]]:
        """Each message goes to one of the workers, every third also to another one."""
        places = [(version, number) for version in versions for number in range(2)]
        for place in places:
            theirs = [each for each in messages if self._is_for(each, place, places)]
            self.delivered.update(each.svix_id for each in theirs)
            yield partial(self._deliver, place, theirs)

    def _is_for(self, message: HookMessage, place: tuple[str, int], places: list[tuple[str, int]]) -> bool:
        chance = random.Random(message.svix_id)
        wanted = chance.sample(places, 2 if chance.random() < 0.3 else 1)
        return place in wanted

    def _deliver(self, place: tuple[str, int], messages: list[HookMessage]) -> None:
        version, number = place
        if version == "former":
            for each in messages:
                self.former[number].ask(body=each.body.decode(), key=each.svix_id, now=self.campaigns.now.isoformat())
            return
        database = Database(self.url)
        for each in messages:
            delivered = Delivered(RESEND.name, each.body, self.campaigns.now, delivery_id=each.svix_id)
            apply_once(database, RESEND, Received(delivered, RESEND.parse(delivered)))
        database.close()


@pytest.fixture
def both(empty_database_url: str, tmp_path: Path) -> Iterator[UpgradeHarness]:
    """A database of the former version, and both versions' workers."""
    if not is_in_history():
        pytest.skip(WITHOUT_HISTORY)
    former = unpack(tmp_path)
    database = Database(empty_database_url)
    migrate(database, read_migrations(former / "migrations"))
    time = [BEGIN]
    with (
        ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as simulator,
        ExitStack() as stack,
    ):
        harness = CampaignHarness(database, simulator, empty_database_url, time)
        workers = [
            stack.enter_context(VersionWorker.start(former, empty_database_url, simulator.url, simulator.sending_key))
            for _ in range(2)
        ]
        yield UpgradeHarness(harness, workers, empty_database_url)
    database.close()


def test_a_database_is_upgraded_while_the_former_version_runs(both: UpgradeHarness) -> None:
    campaigns = both.campaigns
    campaigns.limit(None)
    steps = [email(1), *(email(number, delay_minutes=30) for number in range(2, STEPS + 1))]
    campaign = campaigns.campaign(*steps, source="native")
    for _ in range(PEOPLE):
        campaigns.enroll(campaign)

    both.round("former")
    # In the middle of its work.
    both.round("former", beside=lambda: migrate(Database(both.url), read_migrations(ROOT / "migrations")))
    both.leave(1, "former")
    both.round("former", "present")
    both.leave(2, "present")
    both.leave(3, "former")
    for _ in range(STEPS):
        both.round("former", "present")
    both.round("present")

    assert_nothing_is_lost_or_twice(both, left={1: 2, 2: 3, 3: 3})


def assert_nothing_is_lost_or_twice(both: UpgradeHarness, left: dict[int, int]) -> None:
    campaigns = both.campaigns
    campaigns.assert_accounts()
    assert set(both.delivered.values()) == {1, 2}
    wanted = {f"person{number}@example.com": left.get(number, STEPS) for number in range(1, PEOPLE + 1)}
    assert dict(campaigns.sim.sends) == wanted
    people = rows_of(campaigns.db, "select * from campaign_enrollments order by address")
    assert {row["address"]: row["emails_sent"] for row in people} == wanted
    assert {row["status"] for row in people} == {"completed", "unsubscribed"}
    gone = {f"person{number}@example.com" for number in left}
    assert {row["address"] for row in people if row["status"] == "unsubscribed"} == gone
    assert {row["address"]: (row["emails_opened"], row["emails_clicked"]) for row in people} == {
        address: (2 * number, number) for address, number in wanted.items()
    }
    mails = rows_of(
        campaigns.db, "select status, opened_count, clicked_count from email_sends where sent_at is not null"
    )
    assert {(row["opened_count"], row["clicked_count"]) for row in mails} == {(2, 1)}
    assert Counter(row["status"] for row in mails) == {"unsubscribed": len(left), "clicked": len(mails) - len(left)}
    assert len(mails) == sum(wanted.values())
    assert rows_of(campaigns.db, "select from webhook_inbox where applied_at is null") == []
    seen = one(campaigns.db, "select deadlocks from pg_stat_database where datname = current_database()")
    assert seen == {"deadlocks": 0}
