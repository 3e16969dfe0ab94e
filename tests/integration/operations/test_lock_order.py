"""Every transaction locks rows in one order of tables, so that no two wait for each other."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.campaigns.engine.stop import stop_for_address
from crm_relay.campaigns.erase import erase_enrolled
from crm_relay.campaigns.lifecycle.change_campaign import (
    activate,
    create,
    enroll,
    pause,
    pause_enrollment,
    resume,
    resume_enrollment,
)
from crm_relay.campaigns.lifecycle.edit_campaign import edit, present_definition
from crm_relay.campaigns.lifecycle.end_campaign import archive, cancel, cancel_enrollment
from crm_relay.campaigns.lifecycle.settle_unknown import settle_unknown
from crm_relay.consent.person import Person
from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.engagement.apply_events import apply_events
from crm_relay.engagement.match_waiting import match_waiting
from crm_relay.mail.erase import erase_mail
from crm_relay.mail.feedback.unsubscribe import UnsubscribeRequest
from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.mail.unknown.settle_unknown import unknown_messages
from crm_relay.notifications.models import Channel, EntityRef, Priority
from crm_relay.notifications.people.erase import erase_colleague
from crm_relay.notifications.tidy_up import mend_left_behind, remove_old
from crm_relay.notifications.withdraw import withdraw
from crm_relay.operations.erase import erase
from crm_relay.platform.aws import queue
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import FatalError, NoAnswer, RateLimited, RejectedInput
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import SqlValue
from crm_relay.providers.email_events import ContactChanged, Event, SuppressionAdded, TopicChange
from crm_relay.providers.twilio.client import Twilio
from crm_relay.sources.bison import bison_source
from crm_relay.sources.mautic import MAUTIC
from crm_relay.sources.resend import RESEND
from crm_relay.sources.unsubscribe import UNSUBSCRIBE
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_all_stored, apply_once, apply_stored, apply_together
from crm_relay.webhooks.source import Received
from local.simulators.mautic import MauticSimulator
from local.simulators.resend import MovableClock, ResendSimulator
from local.simulators.twilio import TwilioSimulator
from tests.faults.conftest import aws, aws_environment
from tests.support.campaigns.campaign_files import file, mail
from tests.support.campaigns.campaign_harness import BEGIN, CampaignHarness, email, step
from tests.support.customers.mautic_harness import CLIENT, MauticHarness
from tests.support.customers.mautic_hooks import deleted, delivery, opened, subscription
from tests.support.mail.mail_events import delivered, email_event
from tests.support.notifications.notification_harness import NotificationHarness
from tests.support.notifications.phone import Phone, plant_text_template
from tests.support.operations.planted_person import ADA, Places, erasure, plant
from tests.support.outreach.bison_events import a_months_log
from tests.support.outreach.bison_webhook_function import NORTHWIND, plant_workspaces
from tests.support.platform.lock_recorder import LockingStatement, LockOrder, LockRecorder
from tests.support.platform.rows import add_customer, parse, rows_of
from tests.support.source_tree import ROOT

__all__ = ["aws", "aws_environment"]

ORDER = LockOrder.read(ROOT / "schema" / "lock_order.toml")


@pytest.fixture
def recorded(database: Database, database_url: str) -> Iterator[CampaignHarness]:
    """Campaigns with e-mail and text messages, all of whose transactions are recorded."""
    time = [BEGIN]
    recorder = LockRecorder(database_url)
    clock = MovableClock(lambda: time[0])
    with (
        ResendSimulator(clock=clock, requests_per_second=None) as simulator,
        TwilioSimulator(now=lambda: time[0]) as twilio,
    ):
        harness = CampaignHarness(recorder, simulator, database_url, time)
        http = HttpClient(twilio.url, timeout=(2, 5), repeats=0)
        harness.texts = Twilio(http, twilio.account_sid, twilio.auth_token, twilio.number)
        yield harness
    recorder.close()


def transactions(database: Database) -> list[list[LockingStatement]]:
    assert isinstance(database, LockRecorder)
    return database.transactions


def sent_to(campaigns: CampaignHarness, number: int) -> list[tuple[UUID, str]]:
    """The mails of `number` people in the middle of a sequence, with the provider's ids."""
    campaign = campaigns.campaign(email(1), step("sms", 2, body_text="Hi"), email(3, delay_days=1), topic="news")
    for each in range(number):
        campaigns.enroll(campaign, campaigns.contact(phone=f"+1555010{each:04}"))
    campaigns.tick()
    rows = rows_of(campaigns.db, "select id, resend_id from email_sends where resend_id is not null order by id")
    return [(row["id"], row["resend_id"]) for row in rows]


def resend(campaigns: CampaignHarness) -> None:
    mails = sent_to(campaigns, 8)
    kinds = ["delivered", "opened", "clicked", "complained", "bounced", "failed"]
    bounce = {"bounced": {"bounce_type": "permanent"}}
    apply_together(
        campaigns.db,
        RESEND,
        [
            delivered(email_event(kind, 60 + place, f"{kind}-{place}", **bounce.get(kind, {})), *mails[place])
            for place, kind in enumerate(kinds)
        ],
    )
    for place, kind in enumerate(kinds):
        event = email_event(kind, 90, f"again-{kind}", **bounce.get(kind, {}))
        apply_once(campaigns.db, RESEND, delivered(event, *mails[-1 - place]))
        untagged = email_event(kind, 95, f"untagged-{kind}", **bounce.get(kind, {}))
        apply_once(campaigns.db, RESEND, delivered(untagged, None, mails[0][1], "person1@example.com"))
    others: list[Event] = [
        SuppressionAdded("person6@example.com", "complaint", campaigns.now),
        ContactChanged("person7@example.com", True, campaigns.now),
        ContactChanged("person8@example.com", None, campaigns.now, topics=(TopicChange("topic-1", False),)),
    ]
    for place, other in enumerate(others):
        kept = Delivered(RESEND.name, b"{}", campaigns.now, delivery_id=f"other-{place}")
        apply_once(campaigns.db, RESEND, Received(kept, other))
    campaigns.deliver()


def the_page(campaigns: CampaignHarness) -> None:
    sent_to(campaigns, 3)
    tokens = rows_of(campaigns.db, "select unsubscribe_token as token from email_sends order by id")
    requests = [UnsubscribeRequest(row["token"], place == 0, campaigns.now, None) for place, row in enumerate(tokens)]
    apply_together(
        campaigns.db,
        UNSUBSCRIBE,
        [Received(Delivered(UNSUBSCRIBE.name, each.to_body(), campaigns.now), each) for each in requests],
    )


def bison(campaigns: CampaignHarness) -> None:
    plant_workspaces(campaigns.db)
    source = bison_source("send.example.com")
    log = [Delivered("bison", body, campaigns.now, workspace_name=NORTHWIND) for body in a_months_log()]
    received = [Received(each, source.parse(each)) for each in log]
    for each in received[:30]:
        apply_once(campaigns.db, source, each)
    apply_together(campaigns.db, source, received[30:])
    apply_once(campaigns.db, source, received[0])


def mautic(campaigns: CampaignHarness) -> None:
    """Customers who share an address and opted out before, and somebody who becomes known later."""
    db, shared = campaigns.db, "shared@example.com"
    campaigns.contact(shared)
    for number in range(1, 5):
        add_customer(db, f"c{number}@example.com", shared, contact_id=number)
    bodies = [_of_everything(second) for second in range(6)]
    for body in (*bodies[:2], bodies[0]):
        apply_stored(db, MAUTIC, Delivered(MAUTIC.name, body, campaigns.now))
    apply_all_stored(db, MAUTIC, [Delivered(MAUTIC.name, body, campaigns.now) for body in bodies[1:]])
    add_customer(db, "c5@example.com", contact_id=5)
    assert match_waiting(db, CONTACTS) > 0
    apply_events(db, MAUTIC.parse(Delivered(MAUTIC.name, _of_everything(9), campaigns.now)).events, CONTACTS)


def _of_everything(second: int) -> bytes:
    changes = [
        subscription(contact_id=number, email=email, new=new, at=at, channel=channel, mobile="+61400111222")
        for number in range(1, 6)
        for email, at in (
            (f"c{number}@example.com", f"2026-11-20T12:00:{second:02}+00:00"),
            ("shared@example.com", f"2026-11-20T12:01:{second:02}+00:00"),
        )
        for new, channel in (("unsubscribed", "email"), ("bounced", "email"), ("unsubscribed", "sms"))
    ]
    opens = [opened(contact_id=1, email="c1@example.com", tracking=f"t{second}")]
    gone = [deleted(second)] if second else []
    return delivery(lead_channel_subscription_changed=changes, email_on_open=opens, lead_post_delete=gone)


def replies(campaigns: CampaignHarness) -> None:
    sent_to(campaigns, 3)
    campaigns.deliver()
    for each in campaigns.sim.mails[:2]:
        campaigns.reply(each)
    campaigns.tick()


def faults_of_the_provider(campaigns: CampaignHarness) -> None:
    for fault in ("500_before", "cut_after", "429", "garbled_after"):
        campaigns.sim.fault(fault)
        sent_to(campaigns, 3)
        for _ in range(3):
            campaigns.wait(minutes=20)
            campaigns.tick()
    campaigns.sim.fault("cut_after")
    sent_to(campaigns, 2)
    rows_of(campaigns.db, "update contacts set timezone = 'Asia/Tokyo' returning id")
    for row in rows_of(campaigns.db, "select address from email_sends where status = 'sending'"):
        campaigns.suppress(row["address"], "hard_bounce")
    campaigns.wait(hours=25)
    campaigns.tick()
    for message in unknown_messages(campaigns.db, limit=10):
        settle_unknown(campaigns.db, message.id, campaigns.now, was_sent=True)


def operators(campaigns: CampaignHarness) -> None:
    db, now = campaigns.db, campaigns.now
    campaign = create(db, file(mail(), mail(subject="Second", delay={"days": 1})), now).id
    contacts = [campaigns.contact() for _ in range(6)]
    enroll(db, campaign, now, contacts=contacts[:4])
    activate(db, campaign, now)
    enroll(db, campaign, now, contacts=contacts[4:])
    pause(db, campaign, now)
    rows_of(db, "update campaign_enrollments set status = 'paused', held_for = 'error', error_count = 3")
    resume(db, campaign, now)
    definition = present_definition(db, campaign)
    definition["steps"][1]["subject"] = "Another"
    edit(db, campaign, definition, now)
    people = [row["id"] for row in rows_of(db, "select id from campaign_enrollments order by id")]
    pause_enrollment(db, people[0], now)
    resume_enrollment(db, people[0], now)
    rows_of(db, "update delivery_limits set emails_per_minute = 2 returning org_id")
    campaigns.tick()
    cancel_enrollment(db, people[1], now)
    cancel(db, campaign, now)
    archive(db, campaign, now)


def departures(campaigns: CampaignHarness) -> None:
    sent_to(campaigns, 4)
    campaigns.wait(days=2)
    stop_for_address(campaigns.db, None, "person1@example.com", None, "complaint", campaigns.now)
    erased = Person(frozenset({"person2@example.com", "person3@example.com"}), frozenset({"+15550100001"}))
    erase_enrolled(campaigns.db, erased, campaigns.now)
    erase_mail(campaigns.db, erased, campaigns.now)
    campaigns.tick()


@pytest.mark.parametrize(
    "scenario", [resend, the_page, bison, mautic, replies, faults_of_the_provider, operators, departures]
)
def test_no_transaction_locks_against_the_order(
    recorded: CampaignHarness, scenario: Callable[[CampaignHarness], None]
) -> None:
    scenario(recorded)
    assert transactions(recorded.db) != []
    assert "\n".join(ORDER.disorder(transactions(recorded.db))) == ""


# --- notifications ----------------------------------------------------------------------------------------------------

OWN, SHARED = "https://hooks.slack.com/services/own", "https://hooks.slack.com/services/shared"


@pytest.fixture
def colleagues(database: Database, database_url: str) -> Iterator[NotificationHarness]:
    """Colleagues on every channel, all of whose transactions are recorded."""
    time = [BEGIN]
    recorder = LockRecorder(database_url)
    with ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as simulator:
        crew = NotificationHarness(recorder, simulator, database_url, time)
        crew.texts = Phone(troubles=["later", "unclear_sent"])
        plant_text_template(crew)
        crew.webhook(SHARED)
        for number in range(6):
            person = crew.person(f"p{number}", phone=f"+1555010000{number}")
            crew.prefer(person, channels=["in_app", "email", "slack", "sms"])
            if number < 3:
                crew.webhook(f"{OWN}{number}", person)
        yield crew
    recorder.close()


def everybody(crew: NotificationHarness) -> list[UUID]:
    return [row["id"] for row in rows_of(crew.db, "select id from user_profiles order by id")]


def announce(crew: NotificationHarness, number: int = 3, **details: object) -> None:
    """Several events, with all that every one of them becomes."""
    channels = (Channel.IN_APP, Channel.EMAIL, Channel.SLACK, Channel.SMS)
    given: dict[str, object] = {"slug": "text", "variables": {"task": {"title": "you"}}, "channels": channels}
    for slug in ({}, given):
        crew.notify(
            *(crew.request(*everybody(crew), **({"channels": channels} | slug | details)) for _ in range(number))
        )


def at_once(crew: NotificationHarness) -> None:
    announce(crew)
    announce(crew, group_key="g")
    announce(crew, group_key="g", priority=Priority.URGENT)
    crew.slack_troubles = [RejectedInput("no"), NoAnswer("no"), RateLimited("slow", 2.0), FatalError("gone")]
    crew.sim.fault("cut_after")
    for _ in range(4):
        crew.tick()
        crew.wait(minutes=20)


def digests(crew: NotificationHarness) -> None:
    crew.db.transact(
        lambda tx: tx.run(parse("update notification_preferences set frequency = 'hourly_digest' where true"))
    )
    for mode in (Mode.LIVE, Mode.DRY_RUN, Mode.LIVE):
        crew.policy = SendPolicy(mode).for_colleagues()
        announce(crew)
        rows_of(
            crew.db,
            "update notifications set read_at = now() where substring(id::text from 1 for 1) < '5' returning id",
        )
        crew.wait(hours=1)
        crew.tick()


def refused_by_the_database(crew: NotificationHarness) -> None:
    rows_of(crew.db, "update notification_preferences set frequency = 'hourly_digest' returning id")
    announce(crew)
    rows_of(
        crew.db,
        """update notification_deliveries set lane = 7
           where state = 'digest' and substring(id::text from 1 for 1) < '5' returning id""",
    )
    rows_of(crew.db, "alter table email_sends add constraint planted check (recipient_email <> 'p4@example.com')")
    crew.wait(hours=1)
    crew.tick()
    assert rows_of(crew.db, "select from notification_deliveries where reason = 'refused'") != []


def settings(crew: NotificationHarness) -> None:
    """Of several people at once, while something waits for all of them."""
    rows_of(crew.db, "update notification_preferences set frequency = 'weekly_digest' returning id")
    announce(crew)
    mine = "select id from notification_preferences order by id for update"
    for sql in (
        f"update notification_preferences set frequency = 'daily_digest' where id in ({mine})",
        """insert into notification_categories (org_id, category, is_critical)
           values (default_org_id(), 'assignment', true)""",
        "update notification_categories set is_critical = false",
        "update notification_templates set category = 'deal' where slug = 'text'",
        f"delete from notification_preferences where id in ({mine})",
    ):
        _transact(crew, sql)
        crew.tick()


def ends(crew: NotificationHarness) -> None:
    """Withdrawn, marked by their readers, tidied up, and erased."""
    announce(crew, entity_type="deal", entity_id=crew.org)
    withdraw(crew.db, crew.org, EntityRef("deal", crew.org), crew.now)
    announce(crew)
    ids = [row["id"] for row in rows_of(crew.db, "select id from notifications")]
    for call in ("mark_notifications_read(:ids)", "mark_notifications_unread(:ids)", "archive_notifications(:ids)"):
        _transact(crew, f"select * from {call}", everybody(crew)[0], ids=ids)
    for call in ("mark_all_notifications_read()", "archive_read_notifications()"):
        _transact(crew, f"select * from {call}", everybody(crew)[1])
    crew.wait(hours=2)
    mend_left_behind(crew.db, crew.now)
    remove_old(crew.db, crew.now + timedelta(days=90), days=1, deadline=Deadline.after(60))
    person = Person(frozenset({"p4@example.com", "p5@example.com"}), frozenset())
    crew.db.transact(lambda tx: erase_colleague(tx, person))


def _transact(crew: NotificationHarness, sql: str, reader: UUID | None = None, **values: SqlValue) -> None:
    """As a reader, or as an operator."""

    def work(tx: Transaction) -> None:
        tx.run(parse("select set_config('app.user_id', :user, true)"), user="" if reader is None else str(reader))
        tx.run(parse(sql), **values)

    crew.db.transact(work)


@pytest.mark.parametrize("scenario", [at_once, digests, refused_by_the_database, settings, ends])
def test_no_transaction_of_notifications_locks_against_the_order(
    colleagues: NotificationHarness, scenario: Callable[[NotificationHarness], None]
) -> None:
    scenario(colleagues)
    assert transactions(colleagues.db) != []
    assert "\n".join(ORDER.disorder(transactions(colleagues.db))) == ""


def test_functions_that_are_said_to_lock_in_order_do_so(database: Database) -> None:
    """Each lock of several rows says in which order."""
    for name in ORDER.ordered:
        (row,) = rows_of(database, "select prosrc as body from pg_proc where proname = :name", name=name)
        locks = re.findall(r"\bfor (?:no key )?update", row["body"])
        ordered = re.findall(r"order by [\w.]+\s+for (?:no key )?update", row["body"])
        assert 0 < len(locks) == len(ordered), name


def test_an_erasure_locks_in_the_order(
    database_url: str, aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    places = Places.fresh(aws_environment)
    recorder = LockRecorder(database_url)
    with MauticSimulator(port=0, client_id=CLIENT[0], client_secret=CLIENT[1]) as simulator:
        harness = MauticHarness(recorder, simulator, url=database_url)
        plant(harness, places, ADA)
        erase(erasure(harness, places), ADA.address)
    assert transactions(recorder) != []
    assert "\n".join(ORDER.disorder(transactions(recorder))) == ""
    recorder.close()


# --- the recorder notices ---------------------------------------------------------------------------------------------


LOCK_PEOPLE = "select id from campaign_enrollments order by id for no key update"
LOCK_MAILS = "select id from email_sends order by id for no key update"


@pytest.mark.parametrize(
    ("statements", "noticed"),
    [
        ([LOCK_MAILS, LOCK_PEOPLE], None),
        ([LOCK_PEOPLE, LOCK_MAILS], "email_sends behind campaign_enrollments"),
        ([LOCK_PEOPLE, f"{LOCK_MAILS} skip locked"], None),
        (["update campaign_enrollments set held_for = 'window'"], "campaign_enrollments in no order"),
        ([LOCK_PEOPLE, "update campaign_enrollments set status = 'stopped'"], None),
        ([LOCK_PEOPLE, "update campaigns set name = 'New'"], "campaigns behind campaign_enrollments"),
        (["update provider_topics set topic = 'x'"], "provider_topics has no place in the order"),
        (["insert into campaigns (name) values ('Another')"], None),
    ],
)
def test_what_contradicts_the_order_is_noticed(
    recorded: CampaignHarness, statements: list[str], noticed: str | None
) -> None:
    sent_to(recorded, 2)
    rows_of(recorded.db, "insert into provider_topics (provider, external_id, topic) values ('resend', 'a', 'b')")
    before = len(transactions(recorded.db))
    recorded.db.transact(lambda tx: tx.send_all([parse(each).bind() for each in statements]))
    found = ORDER.disorder(transactions(recorded.db)[before:])
    assert [each.partition(":")[0] for each in found] == ([] if noticed is None else [noticed])


def test_the_documentation_names_the_order() -> None:
    section = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## One lock order")[2]
    listed = re.findall(r"^\d+\. \*\*(.+?)\*\* \((.+?)\)", section.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    assert [(name, re.findall(r"`(\w+)`", tables)) for name, tables in listed] == ORDER.groups
