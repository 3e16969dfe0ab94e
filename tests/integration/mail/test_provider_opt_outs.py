"""Opt-outs at the provider, events about erased persons, and replies that may be several organizations'."""

import json
from collections.abc import Iterator
from uuid import UUID

import pytest

from crm_relay.consent.person import Person
from crm_relay.mail.erase import erase_mail
from crm_relay.mail.feedback.name_topic import name_topic
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.email_events import ContactChanged, Event, InboundMail, SuppressionAdded, TopicChange
from crm_relay.sources.resend import RESEND
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_once
from crm_relay.webhooks.source import Received
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.mail.mail_events import BROWSER, apply_delivered, arrive, click, delivered, email_event
from tests.support.mail.mail_harness import MONDAY, MailHarness, enroll
from tests.support.platform.rows import one, rows_of

ADA = "ada@example.com"


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


def organization(database: Database, name: str) -> UUID:
    made: UUID = one(database, "insert into organizations (name) values (:name) returning id", name=name)["id"]
    return made


def report(database: Database, event: Event, key: str = "msg_1", body: bytes = b"{}") -> None:
    apply_once(database, RESEND, Received(Delivered(RESEND.name, body, MONDAY, delivery_id=key), event))


def suppressed_in(database: Database, org: UUID) -> str | None:
    sql = "select suppressed_by from suppression(:org, 'email', :address)"
    found: str | None = one(database, sql, org=org, address=ADA)["suppressed_by"]
    return found


# --- opt-outs at the provider -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [ContactChanged(ADA, True, MONDAY), SuppressionAdded(ADA, "manual", MONDAY)],
    ids=["contact", "suppression"],
)
def test_an_opt_out_at_the_provider_counts_for_every_organization_that_holds_or_has_mailed_the_address(
    database: Database, event: Event
) -> None:
    holds, mailed, other = (organization(database, name) for name in ("Holds", "Mailed", "Other"))
    rows_of(database, "insert into contacts (org_id, email) values (:org, 'Ada@Example.com')", org=holds)
    rows_of(
        database,
        "insert into email_sends (org_id, send_key, address, status) values (:org, 'k', :address, 'sent')",
        org=mailed,
        address=ADA,
    )
    report(database, event)
    assert [suppressed_in(database, org) for org in (holds, mailed, other)] == ["opt_out", "opt_out", None]


@pytest.mark.parametrize(
    "event",
    [ContactChanged(ADA, True, MONDAY), SuppressionAdded(ADA, "manual", MONDAY)],
    ids=["contact", "suppression"],
)
def test_an_opt_out_at_the_provider_ends_sequences_at_once(database: Database, event: Event) -> None:
    enroll(database, "ada")
    report(database, event)
    row = one(database, "select status, stopped_reason, next_step_at from campaign_enrollments")
    assert row == {"status": "unsubscribed", "stopped_reason": "opt_out", "next_step_at": None}


def test_a_topic_of_the_provider_is_the_topic_that_campaigns_name_and_ends_their_sequences(database: Database) -> None:
    enroll(database, "ada", topic="news")
    name_topic(database, "resend", "t_1", "news", MONDAY)
    report(database, ContactChanged(ADA, None, MONDAY, (TopicChange("t_1", False), TopicChange("t_2", True))))
    assert {row["topic"] for row in rows_of(database, "select topic from topic_opt_outs")} == {"news"}
    row = one(database, "select status, stopped_reason from campaign_enrollments")
    assert row == {"status": "unsubscribed", "stopped_reason": "topic_opt_out"}


def test_a_topic_without_a_name_is_reported_and_counts_once_it_has_one(database: Database) -> None:
    report(database, ContactChanged(ADA, None, MONDAY, (TopicChange("t_1", False),)))
    assert one(database, "select subject from incidents where closed_at is null")["subject"] == "resend:t_1"
    assert name_topic(database, "resend", "t_1", "news", MONDAY) == 1
    assert rows_of(database, "select from topic_opt_outs where topic = 'news' and address = :it", it=ADA)
    assert rows_of(database, "select from incidents where closed_at is null") == []


# --- erased persons ---------------------------------------------------------------------------------------------------


def test_a_late_event_after_an_erasure_brings_back_nothing_of_the_person(post: MailHarness) -> None:
    (send,) = post.queue("ada")
    post.send()
    email_id = post.simulator.mail_to(ADA).id
    erase_mail(post.db, Person(addresses=frozenset({ADA})), post.now)
    for event in (
        click(60),
        email_event("opened", 70, user_agent=BROWSER, message_id="<1@mail.example.org>"),
        email_event("bounced", 80, bounce_type="permanent", reason="no such user here"),
    ):
        assert apply_delivered(post.db, delivered(event, send, email_id)) == "processed"
    row = one(post.db, "select message_id, error_message, opened_count, clicked_count from email_sends")
    assert row == {"message_id": None, "error_message": None, "opened_count": 1, "clicked_count": 1}
    kept = [log["event_data"] for log in rows_of(post.db, "select event_data from email_logs order by occurred_at")]
    assert kept == [{}, {}, {"bounce_type": "permanent"}]


def test_an_event_about_an_erased_person_that_has_no_mail_yet_keeps_nothing_of_them(database: Database) -> None:
    rows_of(
        database,
        """insert into consent_events (channel, address, kind, source, occurred_at)
           select 'email', erased_key(:address, value), 'erased', 'erase', now()
           from installation_settings where key = 'erasure_salt'""",
        address=ADA,
    )
    assert apply_delivered(database, delivered(click(60), None, "em_1", ADA)) == "unmatched"
    assert one(database, "select event_data from email_logs")["event_data"] == {}


# --- whose a reply is -------------------------------------------------------------------------------------------------


def add_identity(database: Database, org: UUID, domain: str) -> None:
    sql = "insert into email_identities (org_id, from_address, inbound_domain) values (:org, :address, :domain)"
    rows_of(database, sql, org=org, address=f"x@{org.hex[:6]}.example.com", domain=domain)


def test_a_second_organization_cannot_save_the_inbound_domain_of_another(database: Database) -> None:
    first, second = organization(database, "First"), organization(database, "Second")
    add_identity(database, first, "in.example.com")
    with pytest.raises(RejectedInput, match="inbound_domain_of_one_organization"):
        add_identity(database, second, "IN.example.com")
    add_identity(database, second, "in.example.org")
    with pytest.raises(RejectedInput):
        rows_of(
            database, "update email_identities set inbound_domain = 'in.example.com' where org_id = :org", org=second
        )


def test_mail_without_a_token_to_a_domain_of_two_organizations_is_nobodys(database: Database) -> None:
    database.run_script("alter table email_identities disable trigger refuse_shared_inbound_domain")
    for name in ("First", "Second"):
        add_identity(database, organization(database, name), "in.example.com")
    assert arrive(database, InboundMail("in_1", ADA, ("hello@in.example.com",), "Hi", None, MONDAY))
    item = one(database, "select org_id, quarantined_for from inbox_items")
    assert item == {"org_id": None, "quarantined_for": "ambiguous_domain"}
    assert one(database, "select kind, subject from incidents") == {
        "kind": "inbound_ambiguous",
        "subject": "in.example.com",
    }


@pytest.mark.parametrize(
    "written",
    [
        "Doe, Jane <jane@erased.example>",
        "jane@erased.example <jane@erased.example>",
        "Jane @ Acme <jane@erased.example>",
        "Jane <jane@erased.example> via list",
    ],
)
def test_a_sender_is_the_address_in_the_brackets_whatever_the_name_holds(database: Database, written: str) -> None:
    body = {"type": "email.received", "created_at": "2026-11-16T15:00:00.000Z"}
    data = {"email_id": "in_1", "from": written, "to": ["hello@in.example.com"], "subject": "Hi"}
    delivery = Delivered(RESEND.name, json.dumps(body | {"data": data}).encode(), MONDAY, delivery_id="msg_1")
    apply_once(database, RESEND, Received(delivery, RESEND.parse(delivery)))
    assert one(database, "select from_address from inbox_items")["from_address"] == "jane@erased.example"
