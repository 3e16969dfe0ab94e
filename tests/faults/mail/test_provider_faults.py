"""Whatever the provider answers or does not answer: nobody gets two, nobody is lost."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from crm_relay.mail.models import SendPolicy
from crm_relay.mail.queue import queue_emails
from crm_relay.mail.senders.watch_senders import watch_senders
from crm_relay.platform.database import Database
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.mail.mail_events import apply, email_event
from tests.support.mail.mail_harness import MONDAY, MailHarness, add_identity
from tests.support.platform.rows import rows_of


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


def send_until_done(post: MailHarness, *, rounds: int = 20) -> None:
    """As the schedule does, a minute after the other."""
    for _ in range(rounds):
        post.send()
        if not [batch for batch in post.batches() if batch["state"] in {"queued", "sending"}]:
            return
        post.wait(minutes=1)
    pytest.fail(f"not done after {rounds} minutes")


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("500_before", {}),
        ("500_after", {}),
        ("cut_before", {}),
        ("cut_after", {}),
        ("garbled_after", {}),
        ("502_page", {}),
        ("429", {"retry_after": 3}),
        ("401", {}),
    ],
)
@pytest.mark.parametrize("times", [1, 3])
def test_after_any_fault_everybody_gets_exactly_one(
    post: MailHarness, kind: str, details: dict[str, Any], times: int
) -> None:
    post.simulator.fault(kind, times=times, **details)
    ids = post.queue("ada", "bob", "cyd")
    send_until_done(post, rounds=60)
    assert dict(post.simulator.sends) == {f"{name}@example.com": 1 for name in ("ada", "bob", "cyd")}
    assert post.settler.fates == dict.fromkeys(ids, "sent")
    assert set(post.status().values()) == {"sent"}
    assert post.incidents() == set()


@pytest.mark.parametrize("first", ["500_after", "cut_after", "500_before"])
@pytest.mark.parametrize("second", ["429", "401", "502_page"])
def test_a_surely_refused_repetition_says_nothing_of_the_attempt_before_it(
    post: MailHarness, first: str, second: str
) -> None:
    post.queue("ada")
    post.simulator.fault(first)
    post.send()
    post.simulator.fault(second)
    post.wait(minutes=2)
    post.send()
    (batch,) = post.batches()
    assert (batch["state"], batch["generation"], batch["attempts"]) == ("sending", 1, 2)
    send_until_done(post, rounds=60)
    assert post.got("ada") == 1


def test_a_slow_answer_that_nobody_waited_for_is_asked_for_again_under_the_same_key(post: MailHarness) -> None:
    post.timeout = (2.0, 0.2)
    post.simulator.fault("slow", seconds=0.6)
    post.queue("ada")
    assert post.send().stopped is None
    assert [batch["state"] for batch in post.batches()] == ["sending"]
    post.timeout = (2.0, 5.0)
    while not post.simulator.mails:
        time.sleep(0.05)
    send_until_done(post)
    assert post.got("ada") == 1


def test_a_request_that_is_still_being_worked_on_is_waited_for(post: MailHarness) -> None:
    post.timeout = (2.0, 0.2)
    post.simulator.fault("held")
    post.queue("ada")
    post.send()
    post.wait(minutes=2)
    # 409 concurrent_idempotent_requests
    assert post.send().postponed == 1
    assert post.got("ada") == 0
    post.simulator.release()
    post.timeout = (2.0, 5.0)
    send_until_done(post)
    assert post.got("ada") == 1


def test_a_limit_of_requests_stops_the_run_for_as_long_as_it_says(post: MailHarness) -> None:
    post.simulator.fault("429", retry_after=45)
    post.queue(*(f"p{number}" for number in range(150)))
    report = post.send()
    assert (report.requests, report.sent, report.stopped) == (1, 0, "later")
    post.wait(seconds=44)
    (waits,) = [batch["id"] for batch in post.batches() if batch["generation"] == 2]
    post.send()
    assert [batch["state"] for batch in post.batches() if batch["id"] == waits] == ["queued"]
    post.wait(seconds=1)
    post.send()
    assert set(post.simulator.sends.values()) == {1}


def test_a_used_up_quota_is_told_waited_out_and_over_when_mail_passes_again(post: MailHarness) -> None:
    post.simulator.switch(daily_quota=1)
    post.queue("ada", "bob")
    report = post.send()
    assert (report.stopped, report.postponed, post.incidents()) == ("quota", 1, {"sending_quota"})
    post.wait(minutes=59)
    assert post.send().requests == 0
    post.simulator.switch(daily_quota=None)
    post.wait(minutes=1)
    assert post.send().sent == 2
    assert post.incidents() == set()


def test_a_refused_key_is_told_and_tried_again_after_a_while(post: MailHarness) -> None:
    post.simulator.fault("401", times=2)
    post.queue("ada")
    assert post.send().stopped == "configuration"
    assert post.incidents() == {"sending_configuration"}
    assert post.status() == {"ada": "queued"}
    post.wait(minutes=14)
    assert post.send().requests == 0
    post.wait(minutes=1)
    post.send()
    post.wait(minutes=15)
    assert post.send().sent == 1
    assert post.incidents() == set()


def test_a_domain_that_is_not_verified_keeps_only_its_own_senders_mail_back(post: MailHarness) -> None:
    post.simulator.switch(verified_domains=["send.example.com"])
    bad = add_identity(post.db, "ada@elsewhere.example")
    mails = [
        post.mail("ada", identity_id=bad, payload={"from": "ada@elsewhere.example"}),
        post.mail("bob", identity_id=add_identity(post.db)),
    ]
    queue_emails(post.db, mails, post.now, purpose="test")
    report = post.send()
    assert (report.sent, report.postponed, report.stopped) == (1, 1, None)
    assert post.status() == {"ada": "queued", "bob": "sent"}
    assert post.incidents() == {"sender_refused"}
    post.simulator.switch(verified_domains=None)
    post.wait(minutes=15)
    assert post.send().sent == 1


INVALID = {"payload": {"to": ["nobody"]}}


def test_one_invalid_address_fails_alone_where_the_provider_tells_which(post: MailHarness) -> None:
    queue_emails(post.db, [post.mail("ada"), post.mail("bad", **INVALID), post.mail("cyd")], post.now, purpose="test")
    report = post.send()
    assert (report.sent, report.failed, report.requests) == (2, 1, 1)
    assert post.status() == {"ada": "sent", "bad": "failed", "cyd": "sent"}
    row = post.rows()["bad"]
    assert row["resend_id"] is None
    assert "nobody" not in (row["reason"] or "")
    ids = {mail["resend_id"] for name, mail in post.rows().items() if name != "bad"}
    assert ids == {mail.id for mail in post.simulator.mails}
    assert {mail.to[0]: mail.id for mail in post.simulator.mails} == {
        row["recipient_email"]: row["resend_id"] for name, row in post.rows().items() if name != "bad"
    }


@pytest.mark.parametrize("place", [0, 3, 6])
def test_one_invalid_address_is_found_by_halving_where_the_provider_refuses_the_whole(
    post: MailHarness, place: int
) -> None:
    post.simulator.switch(permissive_is_known=False)
    names = [f"p{number}" for number in range(7)]
    mails = [post.mail(name, **(INVALID if number == place else {})) for number, name in enumerate(names)]
    queue_emails(post.db, mails, post.now, purpose="test")
    report = post.send()
    assert (report.sent, report.failed, report.stopped) == (6, 1, None)
    assert report.requests <= 7
    assert post.status()[f"p{place}"] == "failed"
    assert set(post.simulator.sends.values()) == {1}
    assert len(post.settler.fates) == 7


def test_a_single_mail_that_is_refused_fails_with_the_providers_reason(post: MailHarness) -> None:
    post.simulator.switch(permissive_is_known=False)
    (bad,) = [post.mail("bad", **INVALID)]
    queue_emails(post.db, [bad], post.now, purpose="test")
    assert post.send().failed == 1
    assert (post.settler.reasons[bad.id] or "").startswith("422 ")


def test_after_three_unclear_answers_nothing_more_is_asked_in_this_run(post: MailHarness) -> None:
    post.simulator.fault("500_before", times=50)
    post.make_room()
    post.queue(*(f"p{number}" for number in range(450)))
    report = post.send()
    assert (report.requests, report.stopped, report.postponed) == (3, "unclear", 3)


def test_who_opted_out_since_an_unclear_attempt_gets_no_repetition(post: MailHarness) -> None:
    post.simulator.fault("500_before")
    post.queue("ada", "bob")
    post.send()
    post.opt_out("ada")
    post.wait(minutes=5)
    report = post.send(post.restricted())
    assert (report.requests, report.postponed) == (0, 1)
    assert dict(post.simulator.sends) == {}


def test_it_is_repeated_all_the_same_once_an_event_shows_that_it_was_taken(post: MailHarness) -> None:
    post.simulator.fault("500_after")
    ada, bob = post.queue("ada", "bob")
    post.send()
    post.opt_out("ada")
    rows_of(
        post.db,
        "select * from apply_mail_event(jsonb_build_object('key', 'e1', 'kind', 'delivered', 'occurred_at', :at,"
        " 'email_id', :email_id, 'send', :send))",
        at=post.now.isoformat(),
        email_id=post.simulator.mail_to("bob@example.com").id,
        send=str(bob),
    )
    assert post.status() == {"ada": "sending", "bob": "delivered"}
    post.wait(minutes=5)
    assert post.send().sent == 2
    assert post.settler.fates == {ada: "sent", bob: "sent"}
    assert dict(post.simulator.sends) == {"ada@example.com": 1, "bob@example.com": 1}
    assert post.status() == {"ada": "sent", "bob": "delivered"}


@pytest.mark.parametrize("taken", ["500_before", "500_after"])
def test_what_is_still_unclear_after_23_hours_is_parked_told_and_never_sent_again(
    post: MailHarness, taken: str
) -> None:
    post.simulator.fault(taken, times=1)
    (ada,) = post.queue("ada")
    post.send()
    before = post.got("ada")
    post.wait(hours=23)
    assert post.send(post.restricted()).unknown == 1
    assert post.settler.fates == {ada: "unknown"}
    assert (post.status(), post.incidents()) == ({"ada": "unknown"}, {"email_unknown"})
    (batch,) = post.batches()
    assert (batch["state"], batch["payload"]) == ("unknown", None)
    post.wait(hours=48)
    post.queue("ada")
    assert post.send().batches == 0
    watch_senders(post.db, post.now)
    assert post.incidents() == {"email_unknown"}
    # A late event tells after all.
    apply(post.db, [email_event("delivered", 5)], ada, "late")
    watch_senders(post.db, post.now)
    assert (post.status(), post.incidents()) == ({"ada": "delivered"}, set())
    assert post.got("ada") == before


def test_an_event_still_shows_of_a_parked_mail_that_it_was_sent(post: MailHarness) -> None:
    post.simulator.fault("500_after")
    ada, bob = post.queue("ada", "bob")
    post.send()
    sql = """select * from apply_mail_event(jsonb_build_object('key', :key, 'kind', 'delivered', 'occurred_at', :at,
                 'email_id', :email_id, 'send', :send))"""
    values = {"at": post.now.isoformat(), "email_id": post.simulator.mail_to("bob@example.com").id, "send": str(bob)}
    rows_of(post.db, sql, key="e1", **values)
    post.opt_out("ada")
    post.wait(hours=24)
    assert post.send(post.restricted()).unknown == 1
    assert post.settler.fates == {ada: "unknown", bob: "sent"}
    assert post.status() == {"ada": "unknown", "bob": "delivered"}


def test_other_bytes_under_the_key_park_the_batch(post: MailHarness) -> None:
    post.simulator.fault("500_after")
    (ada,) = post.queue("ada")
    post.send()
    rows_of(post.db, "update email_batches set payload = replace(payload, 'Hello', 'Goodbye')")
    post.wait(minutes=5)
    assert post.send().unknown == 1
    assert post.settler.fates == {ada: "unknown"}
    assert post.got("ada") == 1


def test_a_repetition_is_not_made_while_the_mode_forbids_it(post: MailHarness) -> None:
    post.simulator.fault("500_before")
    post.queue("ada")
    post.send()
    post.policy = SendPolicy()
    post.wait(minutes=5)
    assert post.send().requests == 0
    assert post.got("ada") == 0


def test_a_repetition_has_the_very_same_bytes_and_key(post: MailHarness) -> None:
    post.simulator.fault("500_before")
    post.queue("ada", "bob")
    post.send()
    (first,) = post.batches()
    rows_of(post.db, "update email_sends set payload = jsonb_build_object('subject', 'changed')")
    post.wait(minutes=5)
    post.send()
    assert {mail.key for mail in post.simulator.mails} == {f"{first['id']}/1"}
    assert {mail.payload["subject"] for mail in post.simulator.mails} == {"Hello"}


def test_after_a_sure_refusal_the_gate_is_asked_again_under_a_new_key(post: MailHarness) -> None:
    post.simulator.fault("429", retry_after=1)
    ada, bob = post.queue("ada", "bob")
    post.send()
    post.opt_out("ada")
    post.wait(minutes=1)
    assert (post.send().sent, post.got("ada")) == (1, 0)
    (batch,) = post.batches()
    assert {mail.key for mail in post.simulator.mails} == {f"{batch['id']}/2"}
    assert post.settler.fates == {ada: "refused", bob: "sent"}


def test_a_clock_that_jumps_back_neither_doubles_nor_loses(post: MailHarness) -> None:
    post.simulator.fault("500_after")
    post.queue("ada")
    post.send()
    post.wait(hours=-6)
    assert post.send().requests == 0
    post.wait(hours=6, minutes=2)
    assert post.send().sent == 1
    assert post.got("ada") == 1
    assert timedelta(0) == post.now - MONDAY - timedelta(minutes=2)
