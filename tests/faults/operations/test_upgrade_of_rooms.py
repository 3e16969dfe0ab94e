"""As test_upgrade.py, for what other functions do meanwhile: Mautic's deliveries, text messages and the edge cache."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from crm_relay.edge_cache.keys import ENTITIES, Entity
from crm_relay.edge_cache.record_email import record_edit
from crm_relay.edge_cache.replication.run import SyncRun
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.migrations import migrate, read_migrations
from crm_relay.providers.twilio.client import Twilio
from local.simulators.resend import MovableClock, ResendSimulator
from local.simulators.twilio.simulator import TwilioSimulator
from tests.support.campaigns.campaign_harness import ALWAYS, BEGIN, CampaignHarness, step
from tests.support.customers.mautic_deliveries import RECEIVED_AT, apply
from tests.support.customers.mautic_hooks import delivery, opened, subscription
from tests.support.edge_cache.edge_tables import MotoStage, edge_aws
from tests.support.platform.rows import add_customer, rows_of
from tests.support.source_tree import ROOT
from tests.support.upgrades.former_version import VersionWorker, is_in_history, unpack

WITHOUT_HISTORY = "the former version is not in this clone's history (git fetch --unshallow)"
NOWHERE = "http://127.0.0.1:9"
Job = Callable[[], object]


@dataclass
class FormerInstallation:
    """A database of the former version and two processes of it; `upgrade` brings the database to this one."""

    url: str
    workers: Sequence[VersionWorker]
    database: Database

    def upgrade(self) -> None:
        database = Database(self.url)
        migrate(database, read_migrations(ROOT / "migrations"))
        database.close()

    def at_once(self, *jobs: Job) -> None:
        """All side by side; raises what one of them raises."""
        with ThreadPoolExecutor(len(jobs)) as threads:
            for each in [threads.submit(job) for job in jobs]:
                each.result()

    def assert_nothing_waits(self) -> None:
        """Also what met a lock of the migrations in another order was carried out: whoever meets a deadlock repeats."""
        assert rows_of(self.database, "select from webhook_inbox where applied_at is null") == []


@pytest.fixture
def start(empty_database_url: str, tmp_path: Path) -> Iterator[Callable[..., FormerInstallation]]:
    """Starts a former installation whose workers know this simulated Resend, or none."""
    if not is_in_history():
        pytest.skip(WITHOUT_HISTORY)
    former = unpack(tmp_path)
    database = Database(empty_database_url)
    migrate(database, read_migrations(former / "migrations"))
    with ExitStack() as stack:

        def started(resend_url: str = NOWHERE, key: str = "key") -> FormerInstallation:
            workers = [
                stack.enter_context(VersionWorker.start(former, empty_database_url, resend_url, key)) for _ in range(2)
            ]
            return FormerInstallation(empty_database_url, workers, database)

        yield started
    database.close()


# --- deliveries of Mautic ---------------------------------------------------------------------------------------------

ADDRESSES = ("ada@example.com", "bob@example.com", "cyd@example.com", "dan@example.com")
PHASES = 4


def mautic_delivery(number: int) -> bytes:
    """Opens of everybody, a bounce of Ada's, and in the third delivery of a phase an unsubscribe of Bob's or Cyd's."""
    at = f"2026-11-20T12:{number:02}:00+00:00"
    changes = [subscription(contact_id=1, email=ADDRESSES[0], new="bounced", at=at)]
    if number in {7, 17}:
        contact = 2 if number == 7 else 3
        changes.append(subscription(contact_id=contact, email=ADDRESSES[contact - 1], new="unsubscribed", at=at))
    opens = [
        opened(contact_id=contact, email=email, tracking=f"t{number}-{contact}")
        for contact, email in enumerate(ADDRESSES, start=1)
    ]
    return delivery(lead_channel_subscription_changed=changes, email_on_open=opens)


@dataclass
class MauticDoor:
    """Brings each body to one of the processes, and every third to two of them at once."""

    installation: FormerInstallation
    chance: random.Random = field(default_factory=lambda: random.Random(5))

    def bring(self, bodies: Sequence[bytes], *versions: str, beside: Sequence[Job] = ()) -> None:
        places = [(version, number) for version in versions for number in range(2)]
        shares: dict[tuple[str, int], list[bytes]] = {place: [] for place in places}
        for body in bodies:
            for place in self.chance.sample(places, 2 if self.chance.random() < 0.35 else 1):
                shares[place].append(body)
        self.installation.at_once(*(partial(self._carry, place, share) for place, share in shares.items()), *beside)

    def _carry(self, place: tuple[str, int], bodies: Sequence[bytes]) -> None:
        version, number = place
        if version == "former":
            for body in bodies:
                self.installation.workers[number].ask(source="mautic", body=body.decode(), now=RECEIVED_AT.isoformat())
            return
        database = Database(self.installation.url)
        for body in bodies:
            apply(database, body)
        database.close()


def test_deliveries_of_mautic_count_once_while_the_database_is_upgraded(
    start: Callable[..., FormerInstallation],
) -> None:
    installation = start()
    for contact, email in enumerate(ADDRESSES, start=1):
        add_customer(installation.database, email, contact_id=contact)
    bodies = [mautic_delivery(number) for number in range(10 * PHASES)]
    door = MauticDoor(installation)

    door.bring(bodies[:10], "former")
    door.bring(bodies[10:20], "former", beside=[installation.upgrade])
    door.bring(bodies[20:30], "former", "present")
    # Also what the former version has taken before.
    door.bring([*bodies[30:], *bodies[:10]], "former", "present")

    installation.assert_nothing_waits()
    people = rows_of(
        installation.database,
        """select mail.email, mail.bounce_count, mail.is_valid, (person.opted_out_at is not null) as is_out,
               (
                   select count(*)::integer from customer_email_engagement seen
                   where seen.customer_id = person.id and seen.event_type = 'open'
               ) as opens
           from customer_emails mail
           join customer_profiles person on person.id = mail.customer_id
           order by mail.email""",
    )
    ada, *others = people
    assert ada == {
        "email": ADDRESSES[0],
        "bounce_count": len(bodies),
        "is_valid": False,
        "is_out": False,
        "opens": len(bodies),
    }
    assert [(row["is_out"], row["opens"]) for row in others] == [
        (True, len(bodies)),
        (True, len(bodies)),
        (False, len(bodies)),
    ]
    kept = Counter(row["kind"] for row in rows_of(installation.database, "select kind from consent_events"))
    assert kept == {"opt_out": 2, "hard_bounce": 1}


# --- text messages ----------------------------------------------------------------------------------------------------

PEOPLE, TEXTS = 14, 4


@dataclass
class TextRounds:
    """A campaign of text messages; each round everybody's engine runs at once, and half an hour passes."""

    installation: FormerInstallation
    campaigns: CampaignHarness
    twilio: TwilioSimulator

    def round(self, *versions: str, beside: Sequence[Job] = ()) -> None:
        jobs = [job for version in versions for job in self._engines(version)]
        self.installation.at_once(*jobs, *beside)
        self.campaigns.wait(minutes=31)

    def _engines(self, version: str) -> list[Job]:
        if version == "present":
            return [self._run_present for _ in range(2)]
        twilio = self.twilio
        order = {
            "run": True,
            "now": self.campaigns.now.isoformat(),
            "texts": [twilio.url, twilio.account_sid, twilio.auth_token, twilio.number],
        }
        return [partial(worker.ask, **order) for worker in self.installation.workers]

    def _run_present(self) -> None:
        database = Database(self.installation.url)
        self.campaigns.tick(db=database)
        database.close()


@pytest.fixture
def texting(start: Callable[..., FormerInstallation]) -> Iterator[TextRounds]:
    time = [BEGIN]
    with (
        ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as resend,
        TwilioSimulator(now=lambda: time[0]) as twilio,
    ):
        installation = start(resend.url, resend.sending_key)
        campaigns = CampaignHarness(installation.database, resend, installation.url, time)
        http = HttpClient(twilio.url, timeout=(2, 10), repeats=0)
        campaigns.texts = Twilio(http, twilio.account_sid, twilio.auth_token, twilio.number)
        yield TextRounds(installation, campaigns, twilio)


def test_text_messages_leave_once_while_the_database_is_upgraded(texting: TextRounds) -> None:
    campaigns, twilio = texting.campaigns, texting.twilio
    steps = [
        step("sms", number, body_text=f"Text {number}", **({"delay_minutes": 30} if number > 1 else {}))
        for number in range(1, TEXTS + 1)
    ]
    campaign = campaigns.campaign(*steps, source="native", **ALWAYS)
    numbers = [f"+1555010{number:04}" for number in range(1, PEOPLE + 1)]
    for number in numbers:
        campaigns.enroll(campaign, campaigns.contact(phone=number))
    gone = numbers[0]

    texting.round("former")
    twilio.fault("500_after")
    texting.round("former", beside=[texting.installation.upgrade])
    # What the former version does not know the outcome of is this version's to look up.
    texting.round("present")
    twilio.opted_out.add(gone)
    before = sum(text.to == gone for text in twilio.texts)
    for _ in range(TEXTS + 1):
        texting.round("former", "present")
    texting.round("present")

    texting.installation.assert_nothing_waits()
    sent = Counter((text.to, text.body) for text in twilio.texts)
    assert twilio.faults.pending == 0
    assert set(sent.values()) == {1}, "nobody gets a text twice"
    assert Counter(to for to, _ in sent) == {number: before if number == gone else TEXTS for number in numbers}
    ledger = Counter(row["status"] for row in rows_of(campaigns.db, "select status from sms_sends"))
    assert ledger["sent"] == len(twilio.texts)
    assert set(ledger) <= {"sent", "refused"}
    people = rows_of(
        campaigns.db,
        """select enrolled.status, enrolled.sms_sent, person.phone
           from campaign_enrollments enrolled join contacts person on person.id = enrolled.contact_id""",
    )
    assert {row["phone"]: row["sms_sent"] for row in people} == Counter(to for to, _ in sent)
    assert {row["status"] for row in people} == {"completed"}


# --- the edge cache ---------------------------------------------------------------------------------------------------

_NEW: dict[Entity, str] = {
    "prospects": "insert into prospects (id, name, contact_email) values (:id, :name, 'p@example.com')",
    "campaigns": "insert into campaigns (id, name) values (:id, :name)",
    "mailboxes": "insert into mailboxes (id, email, name) values (:id, 'box@example.com', :name)",
    "emails": "insert into emails (id, subject, status) values (:id, :name, 'queued')",
}


@dataclass
class EdgeRounds:
    """Rows that change on both sides, and runs of both versions; the two directions run side by side, as scheduled."""

    installation: FormerInstallation
    stage: MotoStage
    now: datetime = datetime(2030, 1, 1, 12, tzinfo=UTC)
    rows: dict[UUID, Entity] = field(default_factory=dict)
    edited: dict[UUID, str] = field(default_factory=dict)

    def round(self, to_cache: str, to_postgres: str, beside: Sequence[Job] = ()) -> None:
        """`to_cache`, `to_postgres`: the version that runs this direction, while rows are changed."""
        self.now += timedelta(minutes=10)
        self.stage.now = self.now
        self.installation.at_once(
            partial(self._run, to_cache, "to_cache"), partial(self._run, to_postgres, "to_postgres"), self.work, *beside
        )

    def work(self) -> None:
        """New rows of every kind, a change of what was there, and a deletion."""
        database = Database(self.installation.url)
        for row_id, entity in list(self.rows.items())[-8:]:
            if entity == "prospects":
                rows_of(database, "update prospects set name = :name where id = :id", id=row_id, name=f"at {self.now}")
        for entity in ENTITIES:
            self.add(database, entity)
        gone = next(row_id for row_id, entity in self.rows.items() if entity == "mailboxes")
        rows_of(database, "delete from mailboxes where id = :id", id=gone)
        del self.rows[gone]
        database.close()

    def add(self, database: Database, entity: Entity) -> None:
        row_id = uuid4()
        rows_of(database, _NEW[entity], id=row_id, name=f"made {self.now}")
        self.rows[row_id] = entity

    def edit(self) -> None:
        """At the edge, one e-mail that nobody has edited."""
        for row_id, entity in self.rows.items():
            item = self.stage.table.get("emails", [row_id]).get(row_id) if entity == "emails" else None
            if item is None or item.doc is None or row_id in self.edited:
                continue
            self.edited[row_id] = f"edited {self.now}"
            content = {**json.loads(item.doc), "subject": self.edited[row_id], "updated_at": self.now.isoformat()}
            record_edit(self.stage.table, "emails", content, self.now)
            return
        raise AssertionError("there is none")

    def _run(self, version: str, direction: str) -> None:
        if version == "former":
            worker = self.installation.workers[direction == "to_postgres"]
            worker.ask(edge=direction, table=self.stage.name, now=self.now.isoformat())
            return
        database = Database(self.installation.url)
        run = SyncRun(database, self.stage.table, lambda: self.now, Deadline.after(60))
        run.to_cache() if direction == "to_cache" else run.to_postgres()
        database.close()

    def items(self) -> dict[tuple[Entity, UUID], tuple[int, str]]:
        found = [item for entity in ENTITIES for page in self.stage.table.every_item(entity) for item in page]
        return {(item.entity, item.row_id): (item.version, item.doc) for item in found if item.doc is not None}

    def source(self) -> dict[tuple[Entity, UUID], tuple[int, str]]:
        rows = rows_of(self.installation.database, "select entity, id, version, doc from edge_source")
        return {(row["entity"], row["id"]): (row["version"], row["doc"]) for row in rows}


def test_both_sides_of_the_edge_cache_agree_after_an_upgrade_beside_its_runs(
    start: Callable[..., FormerInstallation],
) -> None:
    with edge_aws() as aws:
        edge = EdgeRounds(start(), MotoStage(aws))
        for entity in ENTITIES:
            for _ in range(3):
                edge.add(edge.installation.database, entity)

        edge.round("former", "former")
        edge.edit()
        edge.round("former", "former", beside=[edge.installation.upgrade])
        edge.edit()
        edge.round("former", "present")
        edge.edit()
        edge.round("present", "former")
        edge.edit()
        for _ in range(3):
            edge.round("present", "present")

        edge.installation.assert_nothing_waits()
        edge.now += timedelta(hours=1)
        edge._run("present", "to_cache")
        items, source = edge.items(), edge.source()
        differing = {
            key: (source.get(key), items.get(key))
            for key in items.keys() | source.keys()
            if items.get(key) != source.get(key)
        }
        assert differing == {}
        subjects = rows_of(edge.installation.database, "select id, subject from emails")
        assert {row["id"]: row["subject"] for row in subjects if row["id"] in edge.edited} == edge.edited
        assert len(edge.edited) == 4
        assert rows_of(edge.installation.database, "select from edge_parked") == []
