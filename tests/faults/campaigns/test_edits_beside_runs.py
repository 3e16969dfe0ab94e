"""Campaigns, steps, templates and caps are edited while workers run: what leaves was allowed when its gate looked."""

import json
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.watch.fold_totals import fold_totals
from crm_relay.campaigns.watch.give_times import give_times
from crm_relay.campaigns.watch.hold_campaigns import release_unreported
from crm_relay.campaigns.watch.watch_locks import watch_locks
from crm_relay.mail.sending import store as sending_store
from crm_relay.platform.database import Database, Row
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.providers.answers import EmailAnswer
from crm_relay.rules.send_windows import SendWindow, is_open
from tests.support.campaigns.campaign_harness import CampaignHarness, email, step
from tests.support.campaigns.random_edits import EDITS, REPAIRS
from tests.support.platform.rows import one, rows_of

PEOPLE, MORE_PEOPLE, ROUNDS, WORKERS = 8, 3, 10, 3
_TELLING = 60

# Of people and senders, besides what is edited of campaigns (:campaign).
MORE_EDITS = (
    """update campaign_enrollments set status = 'paused' where status in ('active', 'engaged') and id = (
           select id from campaign_enrollments where campaign_id = :campaign order by random() limit 1)""",
    "update campaign_enrollments set status = 'active' where status = 'paused' and campaign_id = :campaign",
    """update contacts set deleted_at = now() where id = (select contact_id from campaign_enrollments
       where campaign_id = :campaign and status in ('active', 'engaged') order by random() limit 1)""",
    "update email_identities set paused_at = null, from_address = 'sender@example.com'",
    """update campaigns set timezone = 'America/New_York', send_window_start = '00:00', send_window_end = '23:59'
       where id = :campaign""",
)
UNDONE = (
    "update campaign_enrollments set status = 'active' where status = 'paused'",
    "update contacts set deleted_at = null",
)  # fmt: skip


@dataclass(frozen=True)
class Rules:
    """What the gate asks, as it was from the commit that began after `since` and was over by `at`."""

    since: float
    at: float
    campaigns: Mapping[UUID, Row]
    inactive: frozenset[UUID]
    paused_senders: bool
    deleted: frozenset[UUID]
    paused: frozenset[UUID]

    def forbids(self, mail: Row, now: datetime) -> str | None:
        campaign = self.campaigns[mail["campaign_id"]]
        if campaign["status"] != "active":
            return f"the campaign was {campaign['status']}"
        if mail["sequence_id"] in self.inactive:
            return "the step was inactive"
        if mail["contact_id"] in self.deleted:
            return "the contact was deleted"
        if mail["enrollment_id"] in self.paused:
            return "the person was paused"
        if self.paused_senders:
            return "the sender was paused"
        try:
            window = SendWindow.of(
                campaign["send_days"], campaign["send_window_start"], campaign["send_window_end"], campaign["timezone"]
            )
        except (RejectedInput, ValueError, LookupError):
            return "the window made no sense"
        return None if is_open(window, now) else "the window was closed"


@dataclass
class Editor:
    """An application: one connection, one edit a token, each committed at once; what stands then is written down."""

    url: str
    chance: random.Random
    campaigns: Sequence[UUID]
    tokens: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    history: list[Rules] = field(default_factory=list)
    edits: int = 0
    is_over: bool = False

    def __post_init__(self) -> None:
        self.db = Database(self.url)
        self.note(time.monotonic())

    def live(self) -> None:
        while True:
            self.tokens.acquire()
            if self.is_over:
                return
            # Half of the edits mend something, or all would wait at once.
            edits = (*EDITS, *MORE_EDITS) if self.chance.random() < 0.5 else (*REPAIRS, UNDONE[0])
            self.edit(self.chance.choice(edits), self.chance.choice(self.campaigns))

    def edit(self, sql: str, campaign: UUID | None = None) -> None:
        """What the database refuses, or somebody holds, is left."""
        since = time.monotonic()
        with suppress(RejectedInput, TransientError):
            rows_of(self.db, sql, **({"campaign": campaign} if ":campaign" in sql else {}))
            self.edits += 1
        self.note(since)

    def note(self, since: float) -> None:
        at = time.monotonic()
        ids = {
            name: frozenset(row["id"] for row in rows_of(self.db, sql))
            for name, sql in (
                ("inactive", "select id from campaign_sequences where not is_active"),
                ("deleted", "select id from contacts where deleted_at is not null"),
                ("paused", "select id from campaign_enrollments where status = 'paused'"),
            )
        }
        rows = rows_of(self.db, "select * from campaigns")
        paused = bool(rows_of(self.db, "select id from email_identities where paused_at is not null"))
        self.history.append(Rules(since, at, {row["id"]: row for row in rows}, paused_senders=paused, **ids))

    def seen_between(self, begun: float, ended: float) -> list[Rules]:
        """Everything that may have stood at some moment between the two."""
        before = [each for each in self.history if each.at <= begun][-1:]
        return before + [each for each in self.history if each.at > begun and each.since <= ended]


class WatchedDatabase(Database):
    """Notes when a gate looked, and gives the editor a turn at some of its messages."""

    def __init__(self, url: str, editor: Editor, chance: random.Random) -> None:
        super().__init__(url)
        self.editor, self.chance = editor, chance
        self.gate = (0.0, 0.0)
        self._claim = max(sending_store._SQL["claim_batch"].pieces[::2], key=len)
        self._freeze = max(sending_store._SQL["freeze_batch"].pieces[::2], key=len)

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        if self.chance.random() < 0.08:
            self.editor.tokens.release()
            time.sleep(0)
        begun = time.monotonic()
        answer = super()._send(sql, **more)
        if self._claim in sql:
            self.gate = (begun, begun)
        if self._freeze in sql:
            self.gate = (self.gate[0], time.monotonic())
        return answer


@dataclass
class Worker:
    """One that runs; `left` has the mails of each request with the time in which their gate looked."""

    campaigns: CampaignHarness
    editor: Editor
    chance: random.Random
    left: list[tuple[list[UUID], float, float, datetime]] = field(default_factory=list)
    failed: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.db = WatchedDatabase(self.campaigns.url, self.editor, self.chance)
        self.provider = self.campaigns.resend()
        self.name = self.provider.name
        self.largest_batch, self.has_idempotency_key = self.provider.largest_batch, True

    def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
        tags = [{tag["name"]: tag["value"] for tag in mail["tags"]} for mail in json.loads(payload)]
        self.left.append(([UUID(each["send"]) for each in tags], *self.db.gate, self.campaigns.now))
        return self.provider.send_batch(payload, key)

    def run(self) -> None:
        engine = self.campaigns.engine()
        try:
            self.campaigns.tick(db=self.db, harness=type(engine)(self, engine.policy, engine.public_url))
        except TransientError:
            # As the next minute's run goes on.
            return
        except (RejectedInput, FatalError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            self.failed.append(error)


@contextmanager
def beside(editor: Editor) -> Iterator[None]:
    thread = threading.Thread(target=editor.live)
    thread.start()
    try:
        yield
    finally:
        editor.is_over = True
        editor.tokens.release()
        thread.join()


def plant(campaigns: CampaignHarness) -> list[UUID]:
    """Two campaigns with people of their own, in one organization: one with its own words, one with a template's."""
    template = one(
        campaigns.db,
        """insert into email_templates (org_id, name, slug, subject, body_html)
           values (default_org_id(), 'Welcome', 'welcome', 'Welcome', '<p>Hi</p>') returning id""",
    )["id"]
    shared: dict[str, Any] = {"channel": "email", "template_id": template}
    made = [
        campaigns.campaign(email(1), step("task", 2, delay_hours=2), email(3, delay_days=1), name="Own"),
        campaigns.campaign(
            {"step_number": 1, **shared},
            step("wait", 2, delay_hours=5),
            {"step_number": 3, "delay_days": 1, **shared},
            name="Shared",
        ),
    ]
    for campaign in made:
        campaigns.enroll_many(campaign, PEOPLE)
    name = one(campaigns.db, "select current_database() as name")["name"]
    rows_of(campaigns.db, f"alter database {name} set lock_timeout = '2s'")
    campaigns.db.close()
    return made


def round_of(workers: Sequence[Worker]) -> None:
    threads = [threading.Thread(target=each.run) for each in workers]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def forbidden(campaigns: CampaignHarness, editor: Editor, workers: Sequence[Worker]) -> list[str]:
    """Mails that no rule allowed that may have stood while their gate looked."""
    mails = {row["id"]: row for row in rows_of(campaigns.db, "select * from email_sends")}
    found = []
    for worker in workers:
        for ids, begun, ended, now in worker.left:
            stood = editor.seen_between(begun, ended)
            for mail in (mails[each] for each in ids):
                reasons = [rules.forbids(mail, now) for rules in stood]
                if all(reason is not None for reason in reasons):
                    found.append(str(reasons))
    return found


def silent(campaigns: CampaignHarness) -> list[Row]:
    """Who waits beyond the times of every rule, without a word in an incident."""
    return rows_of(
        campaigns.db,
        """select enrollment.id, enrollment.status, enrollment.held_for, enrollment.next_step_at, enrollment.last_error
           from campaign_enrollments enrollment
           join campaigns owner on owner.id = enrollment.campaign_id
           where enrollment.status in ('active', 'engaged') and (
               enrollment.held_for in ('campaign_unreadable', 'content') and not exists (
                   select from incidents where closed_at is null and subject = enrollment.campaign_id::text)
               or owner.status = 'active' and enrollment.next_step_at is null and not exists (
                   select from incidents
                   where closed_at is null and kind = 'campaign_unreadable' and subject = owner.id::text
               ) and not exists (
                   select from campaign_sequence_logs line
                   where line.enrollment_id = enrollment.id and line.status = 'pending')
               or enrollment.error_count > 0)""",
    )


def watch(campaigns: CampaignHarness) -> None:
    """What every tenth minute's run looks after besides steps."""
    release_unreported(campaigns.db, campaigns.now)
    give_times(campaigns.db, campaigns.now)
    watch_locks(campaigns.db, campaigns.now)


def history(campaigns: CampaignHarness, seed: int, rounds: int) -> None:
    chance = random.Random(seed)
    made = plant(campaigns)
    editor = Editor(campaigns.url, chance, made)
    workers = [Worker(campaigns, editor, random.Random(seed * 10 + place)) for place in range(WORKERS)]
    with beside(editor):
        for _ in range(rounds):
            for campaign in made:
                campaigns.enroll_many(campaign, MORE_PEOPLE)
            # What was queued has to pass its gate a round later, by other rules.
            if chance.random() < 0.6:
                campaigns.sim.fault("429", retry_after=30)
            round_of(workers)
            campaigns.wait(minutes=chance.choice((1, 20, 180, 700)))
    assert [each.failed for each in workers if each.failed] == []
    assert editor.edits >= rounds
    # Long enough that what nobody changes any more is looked after.
    campaigns.wait(minutes=11)
    watch(campaigns)
    campaigns.tick()
    assert silent(campaigns) == []
    assert sum(len(ids) for each in workers for ids, *_ in each.left) >= rounds
    assert forbidden(campaigns, editor, workers) == []
    for sql in (*REPAIRS, *UNDONE):
        editor.edit(sql)
    begun = campaigns.now
    while campaigns.now - begun < timedelta(days=4):
        watch(campaigns)
        campaigns.tick()
        fold_totals(campaigns.db)
        if not rows_of(campaigns.db, "select 1 as one from campaign_enrollments where status in ('active', 'engaged')"):
            break
        campaigns.wait(minutes=30)
    statuses = {
        (row["status"], row["stopped_reason"])
        for row in rows_of(campaigns.db, "select status, stopped_reason from campaign_enrollments")
    }
    assert statuses <= {("completed", None), ("stopped", "contact_deleted")}
    kinds = rows_of(campaigns.db, "select kind from incidents where closed_at is null and kind <> 'sender_paused'")
    assert kinds == []
    for db in (editor.db, *(each.db for each in workers)):
        db.close()


@pytest.mark.parametrize("seed", range(4))
def test_what_leaves_beside_edits_was_allowed_and_everybody_goes_on_after_the_repair(
    campaigns: CampaignHarness, seed: int
) -> None:
    history(campaigns, seed, ROUNDS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 160))
def test_longer_histories_of_the_same_kind(campaigns: CampaignHarness, seed: int) -> None:
    history(campaigns, seed, 4 * ROUNDS)
