"""Replies get their headers, senders in bad health are paused, and a person can be erased and asked about."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.why import names_of
from crm_relay.consent.person import Person
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import open_incidents
from crm_relay.mail.erase import count_mail, erase_mail
from crm_relay.mail.feedback.read_inbound import InboundRead, read_inbound
from crm_relay.mail.feedback.reports import bracketed
from crm_relay.mail.queue import queue_emails
from crm_relay.mail.senders.watch_senders import resume_sender, watch_senders
from crm_relay.mail.why import delivery_of
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput, TransientError
from crm_relay.providers.email_events import InboundMail
from local.simulators.resend import Inbound, MovableClock, ResendSimulator
from tests.support.mail.mail_events import apply, arrive, email_event
from tests.support.mail.mail_harness import MONDAY, MailHarness, add_identity
from tests.support.platform.rows import one, rows_of


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


def arrived(post: MailHarness, mail: Inbound) -> Inbound:
    event = InboundMail(mail.id, mail.sender, mail.to, mail.subject, mail.message_id, post.now)
    assert arrive(post.db, event)
    return mail


def read(post: MailHarness, *, key: str | None = None, seconds: float = 60) -> InboundRead:
    return read_inbound(post.db, post.client(key), clock=lambda: post.now, deadline=Deadline.after(seconds))


def items(post: MailHarness) -> list[Mapping[str, Any]]:
    return list(rows_of(post.db, "select * from inbox_items order by received_at, external_id"))


def test_a_reply_gets_what_says_which_mail_it_answers(post: MailHarness) -> None:
    post.queue("ada")
    post.send()
    sent = post.simulator.mail_to("ada@example.com")
    arrived(post, post.simulator.reply(sent, headers={"References": f"<first@example.com> {sent.message_id}"}))
    assert read(post) == InboundRead(read=1)
    (item,) = items(post)
    assert item["in_reply_to"] == sent.message_id
    assert item["reference_ids"] == ["<first@example.com>", sent.message_id]
    assert item["thread_id"] == "<first@example.com>"
    assert (item["is_auto_reply"], item["headers_read_at"], item["followed_at"]) == (False, MONDAY, None)
    assert read(post) == InboundRead()


def test_the_id_of_our_mail_is_stored_in_the_form_in_which_a_reply_names_it(post: MailHarness) -> None:
    post.queue("ada")
    post.send()
    sent = post.simulator.mail_to("ada@example.com")
    assert bracketed(sent.message_id) == bracketed(sent.message_id.strip("<>")) == sent.message_id


@pytest.mark.parametrize(
    ("headers", "automatic"),
    [
        ({"Auto-Submitted": "auto-replied"}, True),
        ({"X-Auto-Response-Suppress": "DR, RN, NRN, OOF, AutoReply"}, False),
        ({"X-Auto-Response-Suppress": "All", "Return-Path": "<>"}, True),
        ({"X-Auto-Response-Suppress": "All", "Return-Path": ""}, True),
        ({"X-MS-Exchange-Generated-Message-Source": "Mailbox Rules Agent"}, True),
        ({"Content-Type": "multipart/report; report-type=disposition-notification"}, True),
    ],
)
def test_what_no_person_wrote_is_marked(post: MailHarness, headers: dict[str, str], automatic: bool) -> None:
    post.queue("ada")
    post.send()
    sent = post.simulator.mail_to("ada@example.com")
    arrived(post, post.simulator.reply(sent, headers=headers))
    read(post)
    assert items(post)[0]["is_auto_reply"] is automatic


def test_a_bounce_is_known_by_its_sender_where_its_headers_cannot_be_read(post: MailHarness) -> None:
    event = InboundMail("gone_2", "MAILER-DAEMON@example.com", ("x@in.example.com",), "Returned mail", None, post.now)
    arrive(post.db, event)
    assert items(post)[0]["is_auto_reply"] is True


@pytest.mark.parametrize("kind", ["500_before", "429", "cut_before"])
def test_what_cannot_be_read_now_is_read_next_time(post: MailHarness, kind: str) -> None:
    arrived(post, post.simulator.receive("ada@example.com", "x@in.example.com"))
    post.simulator.fault(kind, match="GET /emails/receiving")
    assert read(post) == InboundRead(failed=1)
    assert items(post)[0]["headers_read_at"] is None
    assert read(post) == InboundRead(read=1)


def test_a_key_that_may_only_send_harms_nothing(post: MailHarness) -> None:
    arrived(post, post.simulator.receive("ada@example.com", "x@in.example.com"))
    assert read(post, key=post.simulator.sending_key) == InboundRead(failed=1)


def test_after_a_day_a_reply_is_followed_without_its_headers(post: MailHarness) -> None:
    event = InboundMail("gone_1", "ada@example.com", ("x@in.example.com",), "Re:", None, post.now)
    arrive(post.db, event)
    post.wait(hours=23, minutes=59)
    assert read(post) == InboundRead(failed=1)
    post.wait(minutes=1)
    assert read(post) == InboundRead(given_up=1)
    assert items(post)[0]["headers_read_at"] is not None


def test_nothing_is_asked_without_time_for_it(post: MailHarness) -> None:
    arrived(post, post.simulator.receive("ada@example.com", "x@in.example.com"))
    assert read(post, seconds=0) == InboundRead(failed=1)
    assert "GET /emails/receiving" not in str(post.simulator.requests)


def test_a_reply_belongs_to_the_organization_whose_mail_it_answers(post: MailHarness) -> None:
    other = one(post.db, "insert into organizations (name) values ('Other') returning id")["id"]
    rows_of(
        post.db,
        """insert into email_identities (org_id, from_address, inbound_domain)
           values (:org, 'b@x.example', 'In.X.example')""",
        org=other,
    )
    mail = post.mail("ada")
    queue_emails(post.db, [mail], post.now, purpose="test")
    rows_of(post.db, "update email_sends set org_id = :org", org=other)
    places = [f"Reply+{mail.reply_token}@in.example.com", "hello@in.x.example", "hello@elsewhere.example"]
    for number, place in enumerate(places):
        event = InboundMail(f"in_{number}", "ada@example.com", (place,), "Re:", None, post.now)
        arrive(post.db, event)
    assert [item["org_id"] for item in items(post)] == [other, other, post.org]


# --- senders ----------------------------------------------------------------------------------------------------------


def week_of(post: MailHarness, identity: UUID, sent: int, *, bounces: int = 0, complaints: int = 0) -> None:
    rows_of(
        post.db,
        """insert into email_sends (identity_id, send_key, status, sent_at, bounce_type, complained_at)
           select :identity, :identity || ':' || :at || ':' || n, 'sent', :at,
               case when n <= :bounces then 'permanent' end, case when n > :sent - :complaints then now() end
           from generate_series(1, :sent) as n""",
        identity=identity,
        at=post.now,
        sent=sent,
        bounces=bounces,
        complaints=complaints,
    )


def test_a_sender_in_bad_health_is_paused_told_and_resumed_by_a_person_alone(post: MailHarness) -> None:
    bad, good = add_identity(post.db, "bad@send.example.com"), add_identity(post.db, "good@send.example.com")
    week_of(post, bad, 100, bounces=6)
    week_of(post, good, 100, bounces=5)
    post.wait(hours=1)
    assert (watch_senders(post.db, post.now), watch_senders(post.db, post.now)) == (1, 0)
    (row,) = rows_of(post.db, "select id, paused_reason from email_identities where paused_at is not null")
    assert row == {"id": bad, "paused_reason": "bounces"}
    assert post.incidents() == {"sender_paused"}
    post.wait(days=30)
    assert watch_senders(post.db, post.now) == 0
    assert rows_of(post.db, "select from email_identities where paused_at is not null") != []
    resume_sender(post.db, bad, post.now)
    assert post.incidents() == set()
    assert rows_of(post.db, "select from email_identities where paused_at is not null") == []


def test_after_its_resumption_a_senders_week_begins_anew(post: MailHarness) -> None:
    bad = add_identity(post.db)
    week_of(post, bad, 100, complaints=1)
    post.wait(hours=1)
    assert watch_senders(post.db, post.now) == 1
    resume_sender(post.db, bad, post.now)
    assert watch_senders(post.db, post.now) == 0
    post.wait(hours=1)
    week_of(post, bad, 60, complaints=1)
    assert watch_senders(post.db, post.now + timedelta(hours=1)) == 1


def test_a_week_is_seven_days(post: MailHarness) -> None:
    week_of(post, add_identity(post.db), 100, bounces=50)
    post.wait(days=7, seconds=1)
    assert watch_senders(post.db, post.now) == 0


@pytest.mark.parametrize("kind", ["sender_refused", "sender_paused"])
def test_the_incident_of_a_sender_who_was_deleted_closes_and_no_other(post: MailHarness, kind: str) -> None:
    gone, stays = add_identity(post.db), add_identity(post.db, "bo@send.example.com")
    subjects = [str(gone), str(stays), "EMAIL_FROM"]
    open_incidents(post.db, [Incident(kind, subject, "title") for subject in subjects], post.now)
    rows_of(post.db, "delete from email_identities where id = :id", id=gone)
    watch_senders(post.db, post.now)
    left = rows_of(post.db, "select subject from incidents where kind = :kind and closed_at is null", kind=kind)
    assert {row["subject"] for row in left} == {str(stays), "EMAIL_FROM"}


def test_a_reply_whose_headers_the_database_refuses_keeps_no_other_from_being_read(post: MailHarness) -> None:
    post.queue("ada")
    post.send()
    sent = post.simulator.mail_to("ada@example.com")
    for number in range(3):
        arrived(post, post.simulator.reply(sent, headers={"X-Number": str(number)}))
    bad = items(post)[1]["id"]
    post.db.run_script(
        f"alter table inbox_items add constraint refused check (id <> '{bad}' or headers_read_at is null) not valid"
    )
    assert read(post) == InboundRead(read=2, failed=1)
    assert [each["id"] for each in items(post) if each["headers_read_at"] is None] == [bad]
    post.db.run_script("alter table inbox_items drop constraint refused")
    assert read(post) == InboundRead(read=1)


def test_nobody_resumes_a_sender_that_does_not_exist(post: MailHarness) -> None:
    with pytest.raises(RejectedInput, match="no such sender"):
        resume_sender(post.db, UUID(int=7), post.now)


# --- one person -------------------------------------------------------------------------------------------------------

PRIVATE = "ada@example.com"
ADA = Person(addresses=frozenset({PRIVATE}))


def test_an_erased_person_stands_in_no_mail_and_what_was_counted_stays_counted(post: MailHarness) -> None:
    (send,) = post.queue("ada", subject="Hello Ada")
    post.queue("bob")
    post.send()
    email_id = post.simulator.mail_to("ada@example.com").id
    history = [
        email_event("delivered", 1),
        email_event("opened", 60),
        email_event("clicked", 90, "k", link=f"https://example.com/?to={PRIVATE}"),
    ]
    apply(post.db, history, send, email_id)
    post.queue("ada", key="waits")
    rows_of(
        post.db,
        """insert into topic_opt_outs (org_id, address, topic, source, occurred_at)
           values (:org, 'ada@example.com', 'news', 'test', now())""",
        org=post.org,
    )
    counted = {"email_sends": 2, "email_logs": 1, "topic_opt_outs": 1, "sms_sends": 0}
    assert count_mail(post.db, ADA) == counted
    assert erase_mail(post.db, ADA, post.now) == counted
    tables = ("email_sends", "email_logs", "topic_opt_outs", "email_batches")
    assert not [table for table in tables if PRIVATE in str(rows_of(post.db, f"select * from {table}"))]
    row = one(post.db, "select status, human_opens, human_clicks from email_sends where id = :id", id=send)
    assert row == {"status": "clicked", "human_opens": 1, "human_clicks": 1}
    assert one(post.db, "select status, reason from email_sends where send_key = 'waits'") == {
        "status": "refused",
        "reason": "erased",
    }
    kept = one(post.db, "select address from email_sends where send_key = 'test:bob'")
    assert kept["address"] == "bob@example.com"
    assert erase_mail(post.db, ADA, post.now) == {
        "email_sends": 0,
        "email_logs": 0,
        "topic_opt_outs": 0,
        "sms_sends": 0,
    }


def test_a_mail_on_its_way_is_erased_once_its_fate_is_known(post: MailHarness) -> None:
    post.simulator.fault("500_after")
    post.queue("ada")
    post.send()
    with pytest.raises(TransientError, match="on their way"):
        erase_mail(post.db, ADA, post.now)
    post.wait(minutes=5)
    post.send()
    assert erase_mail(post.db, ADA, post.now)["email_sends"] == 1


def test_why_tells_of_every_mail_what_became_of_it(post: MailHarness) -> None:
    post.queue("ada")
    post.send()
    post.opt_out("ada")
    post.wait(hours=1)
    post.queue("ada", key="second", topic="news")
    post.send()
    known = delivery_of(post.db, ADA, names_of)
    assert [(mail["status"], mail["reason"]) for mail in known.mails] == [("refused", "opt_out"), ("sent", None)]
    assert "payload" not in known.mails[0]
    assert known.topics_left == []
