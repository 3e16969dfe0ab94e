"""The emergency brake: nothing leaves after it, everything keeps its place, and on resume goes on as after a pause."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.engine.settle import settle
from crm_relay.campaigns.lifecycle.funnels import show_campaign
from crm_relay.campaigns.preview.look_ahead import look_ahead
from crm_relay.campaigns.queued.ask_again import ask_held_again
from crm_relay.campaigns.why import enrollments_of
from crm_relay.consent.person import Person
from crm_relay.mail.models import always_wanted
from crm_relay.mail.queue import queue_emails
from crm_relay.mail.sending.send_batches import SendContext, send_batch, send_due
from crm_relay.mail.stops.stop_sending import resume_sending, sending_stops, stop_sending, watch_stops
from crm_relay.mail.texts.send_texts import TextContext, send_texts
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.answers import EmailAnswer
from crm_relay.providers.resend.client import Resend
from local.simulators.twilio import TwilioSimulator
from tests.support.campaigns.campaign_harness import ALWAYS, LIVE, CampaignHarness, email, step
from tests.support.mail.mail_harness import mail
from tests.support.platform.rows import one, rows_of
from tests.support.processes.meanwhile import MeanwhileBefore

NUMBER = "+15550100001"


def stop(harness: CampaignHarness, **more: Any) -> None:
    stop_sending(harness.db, harness.now, **more)


def resume(harness: CampaignHarness, **more: Any) -> None:
    resume_sending(harness.db, harness.now, **more)


def recipients(harness: CampaignHarness) -> list[str]:
    return [each.recipients[0] for each in harness.sim.mails]


def attempts(harness: CampaignHarness) -> list[int]:
    """Claims of an unclear message before the provider is asked, as the ledgers count them."""
    rows = rows_of(harness.db, "select attempts from email_batches union all select attempts from sms_sends")
    return [row["attempts"] for row in rows]


def open_incidents(harness: CampaignHarness) -> list[tuple[str, str]]:
    rows = rows_of(harness.db, "select kind, subject from incidents where closed_at is null order by subject")
    return [(row["kind"], row["subject"]) for row in rows]


def test_while_it_is_on_nothing_leaves_and_nothing_is_settled(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), step("task", 2), email(3, delay_days=1), **ALWAYS)
    person = campaigns.enroll(campaign, campaigns.contact("a@example.com"))
    due = campaigns.now
    stop(campaigns)
    for _ in range(5):
        campaigns.tick()
        campaigns.wait(hours=9)
    row = campaigns.enrollment(person)
    assert (campaigns.sim.mails, campaigns.lines(person)) == ([], [])
    assert (row["status"], row["current_step"], row["next_step_at"], row["due_at"]) == ("active", 0, due, None)


def test_after_it_everybody_goes_on_with_the_next_run_and_delays_count_from_then(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), email(2, delay_days=1), **ALWAYS)
    person = campaigns.enroll(campaign, campaigns.contact("a@example.com"))
    stop(campaigns)
    campaigns.wait(days=3)
    campaigns.tick()
    resume(campaigns)
    campaigns.tick()
    assert recipients(campaigns) == ["a@example.com"]
    assert campaigns.enrollment(person)["next_step_at"] == campaigns.now + timedelta(days=1)


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_what_was_queued_before_waits_with_its_reason_and_leaves_on_resume(
    campaigns: CampaignHarness, twilio: TwilioSimulator, channel: str
) -> None:
    one_step = email(1) if channel == "email" else step("sms", 1, body_text="Hello")
    campaign = campaigns.campaign(one_step, **ALWAYS)
    person = campaigns.enroll(campaign, campaigns.contact("a@example.com", phone=NUMBER))
    campaigns.sim.fault("429", retry_after=60)
    twilio.fault("429", retry_after=60)
    campaigns.tick()
    stop(campaigns, reason="a wrong price")
    campaigns.wait(minutes=20)
    campaigns.tick()
    (waits,) = show_campaign(campaigns.db, campaign, campaigns.now).waiting
    assert (waits.channel, waits.held_for, waits.number) == (channel, "stopped_by_operator", 1)
    assert waits.until == campaigns.now + timedelta(minutes=15)
    assert campaigns.lines(person) == [(1, "pending", None)]
    campaigns.wait(minutes=3)
    resume(campaigns)
    campaigns.tick()
    assert len(campaigns.sim.mails) + len(twilio.texts) == 1
    assert campaigns.lines(person) == [(1, "sent", None)]


@pytest.mark.parametrize("fault", ["500_before", "500_after"])
@pytest.mark.parametrize("channel", ["email", "sms"])
def test_what_may_have_been_sent_is_not_asked_again_before_resume_and_nobody_gets_it_twice(
    campaigns: CampaignHarness, twilio: TwilioSimulator, channel: str, fault: str
) -> None:
    one_step = email(1) if channel == "email" else step("sms", 1, body_text="Hello")
    campaign = campaigns.campaign(one_step, **ALWAYS)
    person = campaigns.enroll(campaign, campaigns.contact("a@example.com", phone=NUMBER))
    campaigns.sim.fault(fault)
    twilio.fault(fault)
    campaigns.tick()
    stop(campaigns)
    before, requests = attempts(campaigns), campaigns.sim.requests.total()
    for _ in range(3):
        campaigns.wait(minutes=20)
        campaigns.tick()
    assert (attempts(campaigns), campaigns.sim.requests.total()) == (before, requests)
    (waits,) = show_campaign(campaigns.db, campaign, campaigns.now).waiting
    assert (waits.channel, waits.held_for) == (channel, "stopped_by_operator")
    campaigns.wait(minutes=1)
    resume(campaigns)
    for _ in range(2):
        campaigns.tick()
        campaigns.wait(minutes=16)
    assert len(campaigns.sim.mails) + len(twilio.texts) == 1
    assert campaigns.lines(person) == [(1, "sent", None)]


def test_a_stop_between_two_batches_of_one_run_is_seen_before_the_second(
    campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaigns.limit(None)
    campaigns.enroll_many(campaigns.campaign(email(1), **ALWAYS), 300)
    send, harness = Resend.send_batch, campaigns

    def and_stop(resend: Resend, payload: bytes, key: str) -> EmailAnswer:
        answer = send(resend, payload, key)
        stop(harness)
        return answer

    monkeypatch.setattr(Resend, "send_batch", and_stop)
    done = campaigns.tick()
    assert (len(campaigns.sim.mails), done.mail.requests) == (100, 1)
    monkeypatch.undo()
    resume(campaigns)
    campaigns.tick()
    assert len(set(recipients(campaigns))) == len(campaigns.sim.mails) == 300


@pytest.mark.parametrize(("policy", "line"), [("send", "sent"), ("skip", "skipped"), ("send_within", "skipped")])
@pytest.mark.parametrize("queued", [True, False])
def test_the_late_policy_judges_on_resume_by_the_original_time(
    campaigns: CampaignHarness, policy: str, line: str, *, queued: bool
) -> None:
    campaign = campaigns.campaign(email(1), late_policy=policy, late_minutes=120, **ALWAYS)
    person = campaigns.enroll(campaign, campaigns.contact("a@example.com"))
    if queued:
        campaigns.sim.fault("429", retry_after=60)
        campaigns.tick()
    stop(campaigns)
    campaigns.wait(hours=3)
    campaigns.tick()
    assert [status for _, status, _ in campaigns.lines(person)] in ([], ["pending"])
    resume(campaigns)
    campaigns.tick()
    assert [status for _, status, _ in campaigns.lines(person)] == [line]


def test_who_opted_out_answered_or_has_a_twin_meanwhile_gets_nothing_on_resume(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), email(2), **ALWAYS)
    names = ("out", "twin", "first", "stays")
    contacts = {name: campaigns.contact(f"{name}@example.com") for name in names}
    campaigns.enroll(campaign, contacts["first"])
    rows_of(campaigns.db, "update campaign_enrollments set created_at = created_at - interval '1 hour' returning id")
    for name in ("out", "twin", "stays"):
        campaigns.enroll(campaign, contacts[name])
    campaigns.limit(None, cap=(1, 1))
    stop(campaigns)
    campaigns.suppress("out@example.com", "opt_out")
    rows_of(
        campaigns.db, "update contacts set email = 'first@example.com' where id = :id returning id", id=contacts["twin"]
    )
    campaigns.wait(hours=2)
    resume(campaigns)
    for _ in range(3):
        campaigns.tick()
        campaigns.wait(minutes=10)
    assert sorted(recipients(campaigns)) == ["first@example.com", "stays@example.com"]


def test_limits_a_minute_are_kept_when_everything_leaves_at_once(campaigns: CampaignHarness) -> None:
    campaigns.limit(100)
    campaigns.sim.account.monthly_quota = 0
    campaigns.enroll_many(campaigns.campaign(email(1), **ALWAYS), 250)
    for _ in range(3):
        campaigns.tick()
        campaigns.wait(minutes=1)
    stop(campaigns)
    campaigns.sim.account.monthly_quota = None
    campaigns.wait(hours=2)
    campaigns.tick()
    resume(campaigns)
    counts = []
    for _ in range(4):
        before = len(campaigns.sim.mails)
        campaigns.tick()
        counts.append(len(campaigns.sim.mails) - before)
        campaigns.wait(minutes=1)
    assert (sum(counts), max(counts)) == (250, 100)


def test_one_organization_is_stopped_alone(campaigns: CampaignHarness) -> None:
    other = campaigns.organization()
    campaigns.enroll(campaigns.campaign(email(1), **ALWAYS), campaigns.contact("ours@example.com"))
    theirs = campaigns.campaign(email(1), org=other, **ALWAYS)
    campaigns.enroll(theirs, campaigns.contact("theirs@example.com", org=other))
    stop(campaigns, org_id=other, who="ada")
    campaigns.tick()
    assert recipients(campaigns) == ["ours@example.com"]
    assert open_incidents(campaigns) == [("sending_stopped", str(other))]
    stop(campaigns)
    resume(campaigns)
    assert [each.organization_id for each in sending_stops(campaigns.db)] == [other]
    campaigns.tick()
    assert recipients(campaigns) == ["ours@example.com"]
    resume(campaigns, org_id=other)
    campaigns.tick()
    assert (recipients(campaigns)[1:], open_incidents(campaigns)) == (["theirs@example.com"], [])


@pytest.mark.parametrize(("purpose", "sent"), [("notification", 1), ("campaign", 0)])
def test_mail_to_colleagues_has_another_purpose_and_leaves(campaigns: CampaignHarness, purpose: str, sent: int) -> None:
    queue_emails(campaigns.db, [mail(campaigns.org, "colleague")], campaigns.now, purpose=purpose)
    stop(campaigns)
    report = send_due(
        SendContext(campaigns.db, campaigns.resend(), LIVE),
        clock=campaigns.clock,
        deadline=Deadline.after(60),
        settle=lambda _db, _settled, _now: None,
        still_wanted=always_wanted,
        purposes=(purpose,),
    )
    assert (report.sent, report.held) == (sent, 1 - sent)


def test_it_is_recorded_who_stopped_and_resumed_when_and_why(campaigns: CampaignHarness) -> None:
    began = campaigns.now
    first = stop_sending(campaigns.db, began, who="ada", reason="a wrong price")
    campaigns.wait(minutes=5)
    again = stop_sending(campaigns.db, campaigns.now, who="bob", reason="another one")
    (held,) = again.stops
    assert (first.changed, again.changed) == (True, False)
    assert (held.stopped_by, held.reason, held.stopped_at, held.organization_id) == (
        "ada",
        "a wrong price",
        began,
        None,
    )
    assert open_incidents(campaigns) == [("sending_stopped", "everything")]
    done = resume_sending(campaigns.db, campaigns.now, who="cyd")
    assert (done.changed, done.stops, open_incidents(campaigns)) == (True, [], [])
    assert resume_sending(campaigns.db, campaigns.now, who="dan").changed is False
    row = one(campaigns.db, "select stopped_by, reason, resumed_by, resumed_at from sending_stops")
    assert row == {"stopped_by": "ada", "reason": "a wrong price", "resumed_by": "cyd", "resumed_at": campaigns.now}


def test_requests_that_had_passed_the_gate_are_counted(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), **ALWAYS)
    campaigns.enroll(campaign, campaigns.contact("a@example.com"))
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    rows_of(
        campaigns.db,
        "update email_batches set state = 'sending', claimed_until = :until returning id",
        until=campaigns.now + timedelta(seconds=30),
    )
    assert stop_sending(campaigns.db, campaigns.now, org_id=campaigns.organization()).on_its_way == 0
    assert stop_sending(campaigns.db, campaigns.now).on_its_way == 1


def test_a_closed_incident_about_a_stop_opens_again_and_a_lost_one_closes(campaigns: CampaignHarness) -> None:
    stop(campaigns)
    rows_of(campaigns.db, "update incidents set closed_at = :now returning id", now=campaigns.now)
    watch_stops(campaigns.db, campaigns.now)
    assert open_incidents(campaigns) == [("sending_stopped", "everything")]
    rows_of(campaigns.db, "delete from sending_stops returning id")
    watch_stops(campaigns.db, campaigns.now)
    assert open_incidents(campaigns) == []


def test_a_stop_of_an_organization_that_is_not_there_is_refused(campaigns: CampaignHarness) -> None:
    nobody = UUID("99999999-9999-4999-8999-999999999999")
    for change in (stop_sending, resume_sending):
        with pytest.raises(RejectedInput, match="no such organization") as refused:
            change(campaigns.db, campaigns.now, org_id=nobody)
        assert refused.value.status == 404
    assert open_incidents(campaigns) == []


def test_the_stop_of_an_organization_that_was_deleted_can_be_ended(campaigns: CampaignHarness) -> None:
    other = one(campaigns.db, "insert into organizations (name) values ('Gone') returning id")["id"]
    stop(campaigns, org_id=other)
    rows_of(campaigns.db, "delete from organizations where id = :id returning id", id=other)
    assert resume_sending(campaigns.db, campaigns.now, org_id=other).changed
    assert open_incidents(campaigns) == []


def test_steps_that_are_due_are_shown_as_stopped(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), **ALWAYS)
    campaigns.enroll(campaign, campaigns.contact("a@example.com"))
    campaigns.enroll(campaign, campaigns.contact("b@example.com"), due=campaigns.now + timedelta(days=1))
    assert show_campaign(campaigns.db, campaign, campaigns.now).stop is None
    stop(campaigns, who="ada", reason="a wrong price")
    shown = show_campaign(campaigns.db, campaign, campaigns.now)
    assert [(each.channel, each.held_for, each.number, each.until) for each in shown.waiting] == [
        ("step", "stopped_by_operator", 1, None)
    ]
    assert shown.stop is not None
    assert (shown.stop.stopped_by, shown.stop.reason) == ("ada", "a wrong price")
    held = {
        name: enrollments_of(campaigns.db, Person(addresses=frozenset({f"{name}@example.com"})), campaigns.now).enrolled
        for name in "ab"
    }
    assert {name: rows[0]["held_for"] for name, rows in held.items()} == {"a": "stopped_by_operator", "b": None}


def test_the_simulation_warns_of_it_and_still_says_what_the_engine_does_after_resume(
    campaigns: CampaignHarness,
) -> None:
    campaign = campaigns.campaign(email(1), step("task", 2), email(3, delay_days=1), **ALWAYS)
    campaigns.enroll_many(campaign, 3)
    stop(campaigns)
    campaigns.wait(hours=30)
    forecast = look_ahead(campaigns.db, campaign, campaigns.now, days=5)
    assert forecast.warnings == ["an operator stopped sending"]
    resume(campaigns)
    until = campaigns.now + timedelta(days=5)
    while campaigns.now < until:
        campaigns.tick()
        campaigns.wait(minutes=30)
    wanted = sorted(each.at for each in forecast.calendar if each.action == "email")
    assert sorted(each.at for each in campaigns.sim.mails) == wanted


def test_a_large_backlog_is_held_by_one_statement_and_leaves_others_room(campaigns: CampaignHarness) -> None:
    """Otherwise each stopped batch would be taken up by itself every quarter of an hour, before anybody else's."""
    other = campaigns.organization("Other", emails_per_minute=None)
    campaigns.limit(None)
    for number in range(30):
        queue_emails(campaigns.db, [mail(campaigns.org, f"p{number}")], campaigns.now)
    theirs = campaigns.campaign(email(1), org=other, **ALWAYS)
    campaigns.enroll(theirs, campaigns.contact("theirs@example.com", org=other))
    stop(campaigns, org_id=campaigns.org)
    done = campaigns.tick()
    assert (done.mail.batches, done.mail.held, recipients(campaigns)) == (2, 30, ["theirs@example.com"])


@pytest.mark.parametrize(
    ("channel", "word"),
    [("email", "for update of waiting skip locked"), ("email", "commit"), ("sms", "first_attempt_at = coalesce(")],
    ids=["before mail is held", "after it", "before a text is held"],
)
def test_what_a_gate_holds_while_sending_is_resumed_does_not_wait_any_longer(
    campaigns: CampaignHarness, twilio: TwilioSimulator, channel: str, word: str
) -> None:
    one_step = email(1) if channel == "email" else step("sms", 1, body_text="Hello")
    campaign = campaigns.campaign(one_step, **ALWAYS)
    campaigns.enroll(campaign, campaigns.contact("a@example.com", phone=NUMBER))
    campaigns.sim.fault("429", retry_after=60)
    twilio.fault("429", retry_after=60)
    campaigns.tick()
    stop(campaigns)
    campaigns.wait(minutes=20)

    def resumed_and_looked(db: Database) -> None:
        resume_sending(db, campaigns.now)
        # Another worker, which takes up what has changed.
        ask_held_again(db, campaigns.now)

    worker = MeanwhileBefore(campaigns.url, word, resumed_and_looked)
    if channel == "email":
        send_batch(SendContext(worker, campaigns.resend(), LIVE), clock=campaigns.clock, settle=settle)
    else:
        assert campaigns.texts is not None
        context = TextContext(worker, campaigns.texts, LIVE)
        send_texts(context, clock=campaigns.clock, deadline=Deadline.after(60), settle=settle)
    worker.join()
    worker.close()
    campaigns.tick()
    assert len(campaigns.sim.mails) + len(twilio.texts) == 1
