"""What is queued leaves once, after a last look at whoever it is for."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest

from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.mail.queue import queue_emails
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.mail.mail_harness import MONDAY, OFFICE_HOURS, MailHarness, add_identity, mail, suppress
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import one, rows_of


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


def test_a_mail_that_is_queued_twice_is_one_mail(post: MailHarness) -> None:
    first = queue_emails(post.db, [post.mail("ada"), post.mail("bob")], post.now, purpose="test")
    again = queue_emails(post.db, [post.mail("bob"), post.mail("cyd")], post.now, purpose="test")
    assert (len(first), len(again)) == (2, 1)
    assert post.send().sent == 3
    assert [post.got(name) for name in ("ada", "bob", "cyd")] == [1, 1, 1]


def test_a_batch_that_holds_nothing_new_is_not_made(post: MailHarness) -> None:
    post.queue("ada")
    post.queue("ada")
    assert len(post.batches()) == 1


def test_250_mails_leave_in_three_requests(post: MailHarness) -> None:
    post.make_room()
    post.queue(*(f"p{number}" for number in range(250)))
    report = post.send()
    assert (report.sent, report.requests, report.batches, report.stopped) == (250, 3, 3, None)
    assert post.simulator.requests["POST /emails/batch"] == 3
    assert set(post.simulator.sends.values()) == {1}


def test_mails_of_two_organizations_are_never_in_one_batch(post: MailHarness) -> None:
    other = one(post.db, "insert into organizations (name) values ('Other') returning id")["id"]
    queue_emails(post.db, [post.mail("ada"), mail(other, "bob"), post.mail("cyd")], post.now, purpose="test")
    pairs = rows_of(post.db, "select distinct batch_id, org_id from email_sends")
    assert len(pairs) == len({pair["batch_id"] for pair in pairs}) == 2
    assert post.send().sent == 3


def test_what_was_sent_has_its_id_and_no_longer_its_text(post: MailHarness) -> None:
    (ada,) = post.queue("ada")
    post.send()
    row = post.rows()["ada"]
    (sent,) = post.simulator.mails
    assert (row["status"], row["resend_id"], row["provider_message_id"]) == ("sent", sent.id, sent.id)
    assert (row["payload"], row["sent_at"]) == (None, MONDAY)
    assert sent.tags == {"send": str(ada)}
    (batch,) = post.batches()
    assert (batch["state"], batch["payload"], batch["finished_at"]) == ("done", None, MONDAY)
    assert sent.key == f"{batch['id']}/1"
    assert post.settler.fates == {ada: "sent"}


def test_a_batch_of_100_costs_five_statements_and_one_request(post: MailHarness, database_url: str) -> None:
    post.queue(*(f"p{number}" for number in range(100)))
    with CountingProxy(database_url) as proxy:
        database = Database(proxy.url)
        report = post.send(post.send_context(database))
        database.close()
    assert (report.sent, report.requests) == (100, 1)
    # Claim, ask, freeze with its commit; record, commit; the look that finds no more, its commit, and open incidents.
    assert len(proxy.queries) <= 8


def test_only_the_owner_of_a_purpose_carries_its_mail_on(post: MailHarness) -> None:
    queue_emails(post.db, [post.mail("ada")], post.now, purpose="other")
    assert post.send().batches == 0
    assert post.status() == {"ada": "queued"}


def test_nothing_leaves_before_its_time(post: MailHarness) -> None:
    queue_emails(post.db, [post.mail("ada")], post.now + timedelta(minutes=5), purpose="test")
    assert post.send().batches == 0
    post.wait(minutes=5)
    assert post.send().sent == 1


def test_no_batch_is_begun_without_time_for_it(post: MailHarness) -> None:
    post.queue("ada")
    report = post.send(seconds=0)
    assert (report.requests, report.stopped) == (0, "deadline")
    assert not Deadline.after(0).allows(1)


# --- the gate ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["opt_out", "complaint", "hard_bounce", "erased"])
def test_who_may_not_be_written_to_any_more_gets_nothing_that_was_queued_before(post: MailHarness, kind: str) -> None:
    ada, bob = post.queue("ada", "bob")
    suppress(post.db, "ada@example.com", kind, post.now)
    report = post.send()
    assert (report.sent, report.refused) == (1, 1)
    assert (post.got("ada"), post.got("bob")) == (0, 1)
    assert post.settler.fates == {ada: "refused", bob: "sent"}
    assert post.settler.reasons[ada] == kind
    row = post.rows()["ada"]
    assert (row["status"], row["reason"], row["payload"]) == ("refused", kind, None)


def test_a_topic_that_was_left_is_refused_and_another_one_is_not(post: MailHarness) -> None:
    news, offer = post.mail("ada", key="news", topic="news"), post.mail("ada", key="offer", topic="offers")
    queue_emails(post.db, [news, offer], post.now, purpose="test")
    rows_of(
        post.db,
        """insert into topic_opt_outs (org_id, address, topic, source, occurred_at)
           values (:org, 'ada@example.com', 'news', 'test', now())""",
        org=post.org,
    )
    post.send()
    assert post.settler.fates == {news.id: "refused", offer.id: "sent"}
    assert post.settler.reasons[news.id] == "topic_opt_out"


def test_who_left_another_organization_still_hears_of_this_one(post: MailHarness) -> None:
    other = one(post.db, "insert into organizations (name) values ('Other') returning id")["id"]
    post.opt_out("ada")
    queue_emails(post.db, [mail(other, "ada")], post.now, purpose="test")
    assert post.send().sent == 1


def test_what_was_taken_back_in_time_does_not_leave(post: MailHarness) -> None:
    enrollment, sequence = uuid4(), uuid4()
    ada, bob = post.queue("ada", "bob", enrollment_id=enrollment, sequence_id=sequence)
    rows = rows_of(post.db, "select * from cancel_queued_mail(array[cast(:id as uuid)], 'replied')", id=enrollment)
    assert {row["email_send_id"] for row in rows} == {ada, bob}
    assert {(row["enrollment_id"], row["sequence_id"]) for row in rows} == {(enrollment, sequence)}
    report = post.send()
    assert (report.batches, report.requests) == (1, 0)
    assert post.settler.fates == {}
    assert post.rows()["ada"]["reason"] == "replied"
    assert [batch["state"] for batch in post.batches()] == ["done"]


def test_what_has_left_cannot_be_taken_back(post: MailHarness) -> None:
    enrollment = uuid4()
    post.queue("ada", enrollment_id=enrollment)
    post.send()
    taken = rows_of(post.db, "select * from cancel_queued_mail(array[cast(:id as uuid)], 'replied')", id=enrollment)
    assert taken == []
    assert post.status() == {"ada": "sent"}


def test_a_window_that_has_closed_meanwhile_holds_its_mail_until_it_opens(post: MailHarness) -> None:
    ada, bob = post.mail("ada", window=OFFICE_HOURS), post.mail("bob")
    queue_emails(post.db, [ada, bob], post.now, purpose="test")
    post.wait(hours=2)
    report = post.send()
    assert (report.sent, report.held) == (1, 1)
    assert (post.got("ada"), post.got("bob")) == (0, 1)
    (held,) = [batch for batch in post.batches() if batch["state"] == "queued"]
    assert held["not_before"].isoformat() == "2026-11-17T08:00:00+00:00"
    assert post.rows()["ada"]["batch_id"] == held["id"]
    post.wait(hours=14, minutes=59)
    assert post.send().batches == 0
    post.wait(minutes=1)
    assert post.send().sent == 1
    assert post.settler.fates == {ada.id: "sent", bob.id: "sent"}


def test_mail_of_a_paused_sender_waits_until_it_is_resumed(post: MailHarness) -> None:
    paused = add_identity(post.db, "bad@send.example.com", paused=True)
    queue_emails(post.db, [post.mail("ada", identity_id=paused), post.mail("bob")], post.now, purpose="test")
    report = post.send()
    assert (report.sent, report.held) == (1, 1)
    rows_of(post.db, "update email_identities set paused_at = null where id = :id", id=paused)
    post.wait(minutes=15)
    assert post.send().sent == 1


def test_dry_run_does_everything_but_the_request(post: MailHarness) -> None:
    post.policy = SendPolicy()
    post.opt_out("bob")
    ada, bob = post.queue("ada", "bob")
    report = post.send()
    assert (report.dry_run, report.refused, report.requests) == (1, 1, 0)
    assert post.simulator.requests == {}
    assert post.status() == {"ada": "dry_run", "bob": "refused"}
    assert post.settler.reasons == {ada: "dry_run", bob: "opt_out"}


def test_an_allow_list_lets_its_addresses_and_domains_through_and_nobody_else(post: MailHarness) -> None:
    post.policy = SendPolicy(Mode.ALLOW_LIST, frozenset({"ada@example.com", "@staff.example.com"}))
    staff = post.mail("eve", address="eve@staff.example.com", payload={"to": ["eve@staff.example.com"]})
    ada, bob = post.mail("ada"), post.mail("bob")
    queue_emails(post.db, [ada, bob, staff], post.now, purpose="test")
    report = post.send()
    assert (report.sent, report.dry_run) == (2, 1)
    assert dict(post.simulator.sends) == {"ada@example.com": 1, "eve@staff.example.com": 1}
    assert post.settler.reasons[bob.id] == "not_on_allow_list"


def test_a_cap_of_more_days_than_the_calendar_has_is_refused_and_one_of_ten_years_sends(post: MailHarness) -> None:
    limit = """insert into delivery_limits (org_id, cap_emails, cap_days) values (default_org_id(), 1, :days)
        returning org_id"""
    with pytest.raises(RejectedInput):
        rows_of(post.db, limit, days=3651)
    rows_of(post.db, limit, days=3650)
    post.queue("ada")
    assert post.send().sent == 1
    post.queue("ada", key="again")
    assert (post.send().held, post.got("ada")) == (1, 1)
