"""Pitches leave by a mailbox once, through every question of the gate, which is asked again when they leave."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from crm_relay.connections.pitches.orders import PitchOrder, order_pitch
from crm_relay.connections.pitches.show_pitches import show_pitch
from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.mail.stops.stop_sending import resume_sending, stop_sending
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.gmail.client import GmailMailbox
from local.simulators.gmail import GmailSimulator
from tests.support.connections.gmail_stage import MARY, OPT_OUT, GmailStage
from tests.support.platform.rows import one, rows_of


def test_a_pitch_leaves_as_a_draft_that_is_sent_once(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    pitch = gmail.pitch(subject="An idea\r\nBcc: x@example.com", body_html="<p>Hello</p>")
    result = gmail.sync()
    assert result.success, result
    row = gmail.pitch_row(pitch)
    assert (row["status"], row["from_address"], gmail.sent(), gmail.drafts()) == ("sent", MARY, ["ada@example.com"], 0)
    (sent,) = gmail_sim.sent()
    assert (sent.id, sent.thread_id) == (row["external_id"], row["external_thread_id"])
    assert sent.header("Subject") == "An idea Bcc: x@example.com"
    assert sent.message_id == row["message_id"]
    assert row["sent_at"] is not None
    gmail.pass_time()
    gmail.sync()
    assert gmail.sent() == ["ada@example.com"]


def test_a_draft_of_its_author_stays_until_it_is_ordered(gmail: GmailStage) -> None:
    pitch = gmail.pitch(status="draft")
    gmail.sync()
    assert (gmail.status(pitch), gmail.sent()) == ("draft", [])
    assert order_pitch(gmail.db, pitch, PitchOrder.SEND, "mary", gmail.now()).status == "queued"
    assert not order_pitch(gmail.db, pitch, PitchOrder.SEND, "mary", gmail.now()).changed
    gmail.sync()
    assert gmail.status(pitch) == "sent"


def test_a_contacts_address_is_the_one_of_the_first_attempt(gmail: GmailStage) -> None:
    contact = gmail.contact("grace@example.com")
    pitch = gmail.pitch(None, contact_id=contact)
    gmail.sync()
    assert (gmail.pitch_row(pitch)["address"], gmail.sent()) == ("grace@example.com", ["grace@example.com"])
    other = one(gmail.db, "insert into organizations (name) values ('Other') returning id")["id"]
    rows_of(gmail.db, "update contacts set org_id = :org", org=other)
    foreign = gmail.pitch(None, contact_id=contact)
    gmail.sync()
    assert (gmail.status(foreign), gmail.pitch_row(foreign)["reason"]) == ("failed", "no_address")


def test_the_mode_keeps_pitches_here_unless_it_is_said_otherwise(gmail: GmailStage) -> None:
    for policy, status, because in (
        (SendPolicy(), "dry_run", "dry_run"),
        (SendPolicy(Mode.ALLOW_LIST, frozenset({"@example.net"})), "dry_run", "not_on_allow_list"),
    ):
        gmail.use_policy(policy)
        pitch = gmail.pitch()
        gmail.sync()
        row = gmail.pitch_row(pitch)
        assert (row["status"], row["reason"], gmail.sent(), gmail.drafts()) == (status, because, [], 0)
    gmail.use_policy(SendPolicy(Mode.ALLOW_LIST, frozenset({"@example.com"})))
    gmail.pitch()
    gmail.sync()
    assert gmail.sent() == ["ada@example.com"]


def test_consent_holds_as_it_does_everywhere(gmail: GmailStage) -> None:
    out, deleted = gmail.pitch(), gmail.contact("gone@example.com")
    gmail.opt_out("ada@example.com")
    gone = gmail.pitch("gone@example.com", contact_id=deleted)
    rows_of(gmail.db, "update contacts set deleted_at = now() where id = :id", id=deleted)
    nobody, empty = gmail.pitch(None), gmail.pitch("b@example.com", subject=" ", body_text=None)
    gmail.sync()
    found = [(gmail.status(each), gmail.pitch_row(each)["reason"]) for each in (out, gone, nobody, empty)]
    assert found == [
        ("refused", "opt_out"),
        ("refused", "contact_deleted"),
        ("failed", "no_address"),
        ("failed", "content"),
    ]
    assert (gmail.sent(), gmail.drafts()) == ([], 0)


def test_the_brake_holds_pitches_until_somebody_resumes(gmail: GmailStage) -> None:
    pitch = gmail.pitch()
    stop_sending(gmail.db, gmail.now(), org_id=gmail.org)
    gmail.sync()
    assert gmail.waits_for(pitch) == ("queued", "stopped_by_operator")
    resume_sending(gmail.db, gmail.now(), org_id=gmail.org)
    gmail.pass_time()
    gmail.sync()
    assert gmail.status(pitch) == "sent"


def test_an_account_sends_so_many_in_a_day_whatever_workspace_it_is_connected_in(gmail: GmailStage) -> None:
    rows_of(gmail.db, """update integration_connections set settings = '{"daily_pitches": 2}'""")
    pitches = [gmail.pitch(f"p{number}@example.com") for number in range(3)]
    gmail.sync()
    assert len(gmail.sent()) == 2
    assert ("queued", "mailbox_cap") in {gmail.waits_for(each) for each in pitches}
    first = gmail.workspace
    other = GmailStage(gmail.db, gmail.url, gmail.sim)
    assert other.workspace != first
    other.ahead = gmail.ahead
    again = other.link(settings={"daily_pitches": 2})
    late = other.pitch("late@example.com")
    other.sync(again)
    assert other.waits_for(late) == ("queued", "mailbox_cap")
    gmail.pass_time(86_400 + 60)
    gmail.sync()
    assert len(gmail.sent()) == 3


def test_the_frequency_cap_counts_pitches_and_mail_alike(gmail: GmailStage) -> None:
    rows_of(gmail.db, "insert into delivery_limits (org_id, cap_emails, cap_days) values (:org, 1, 7)", org=gmail.org)
    gmail.pitch("Ada@Example.com")
    gmail.sync()
    second = gmail.pitch("ada@example.com")
    gmail.sync()
    assert gmail.waits_for(second) == ("queued", "frequency_cap")
    assert gmail.pitch_row(second)["not_before"] > gmail.now() + timedelta(days=6)


def test_every_question_is_asked_again_between_the_draft_and_its_sending(
    gmail: GmailStage, gmail_sim: GmailSimulator
) -> None:
    """The person opts out while the draft is being made."""
    pitch = gmail.pitch()
    gmail_sim.fault("held", match="POST /gmail/v1/users/me/drafts")
    worker = threading.Thread(target=gmail.sync)
    worker.start()
    gmail_sim.wait_until_held()
    other = Database(gmail.url)
    rows_of(other, OPT_OUT, org=gmail.org, address="ada@example.com", at=gmail.now())
    other.close()
    gmail_sim.release()
    worker.join()
    assert (gmail.status(pitch), gmail.pitch_row(pitch)["reason"]) == ("refused", "opt_out")
    assert (gmail.sent(), gmail.drafts()) == ([], 0)


def test_nothing_is_waited_for_between_the_last_question_and_the_request(
    gmail: GmailStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account was asked to slow down, and the person opts out during the wait for a permit."""
    pitch = gmail.pitch()
    waits = GmailMailbox.ready_to_send

    def opt_out_meanwhile(mailbox: GmailMailbox) -> None:
        waits(mailbox)
        gmail.opt_out("ada@example.com")

    monkeypatch.setattr(GmailMailbox, "ready_to_send", opt_out_meanwhile)
    gmail.sync()
    assert (gmail.status(pitch), gmail.pitch_row(pitch)["reason"]) == ("refused", "opt_out")
    assert (gmail.sent(), gmail.drafts()) == ([], 0)


def test_two_mailboxes_want_to_be_chosen_from(gmail: GmailStage) -> None:
    second = gmail.link("sales@example.org", label="sales")
    pitch = gmail.pitch()
    gmail.sync()
    gmail.sync(second)
    assert gmail.waits_for(pitch) == ("queued", None)
    assert "connection_id" in show_pitch(gmail.db, pitch).because
    rows_of(gmail.db, "update pitches set connection_id = :second", second=second)
    gmail.sync(second)
    assert (gmail.sent(), gmail.sent("sales@example.org")) == ([], ["ada@example.com"])


def test_what_gmail_refuses_fails_alone_and_leaves_no_draft(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    gmail_sim.google.refused_recipients.add("refused@example.com")
    bad = gmail.pitch("refused@example.com")
    good = gmail.pitch("grace@example.com")
    result = gmail.sync()
    assert result.success, result
    assert (gmail.status(bad), gmail.status(good), gmail.drafts()) == ("failed", "sent", 0)


def test_one_that_gmail_fails_at_holds_up_no_other(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    gmail_sim.google.broken_recipients.add("broken@example.com")
    broken = gmail.pitch("broken@example.com")
    for number in range(2):
        good = gmail.pitch(f"p{number}@example.com")
        gmail.pass_time()
        result = gmail.sync()
        assert (result.success, gmail.status(good)) == (True, "sent")
        assert gmail.waits_for(broken) == ("queued", "provider_rest")
        assert any("500" in each for each in result.errors)


def test_several_that_gmail_fails_at_are_an_outage(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    pitches = [gmail.pitch(f"p{number}@example.com") for number in range(5)]
    gmail_sim.fault("500", match="POST /gmail/v1/users/me/drafts", times=5)
    result = gmail.sync()
    assert (result.success, result.metadata["outcome"], gmail_sim.faults.pending) == (False, "outage", 1)
    gmail_sim.faults.clear()
    gmail.pass_time()
    gmail.sync()
    assert {gmail.status(each) for each in pitches} == {"sent"}


def test_a_cancelled_pitch_takes_its_draft_along(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    pitch = gmail.pitch()
    gmail_sim.fault("429", match="drafts/send")
    gmail.sync()
    assert (gmail.waits_for(pitch), gmail.drafts()) == (("queued", "provider_rest"), 1)
    ordered = order_pitch(gmail.db, pitch, PitchOrder.CANCEL, "mary", gmail.now())
    assert (ordered.status, ordered.changed) == ("queued", True)
    assert "cancelled" in show_pitch(gmail.db, pitch).because
    gmail.pass_time()
    gmail.sync()
    assert (gmail.status(pitch), gmail.drafts(), gmail.sent()) == ("cancelled", 0, [])


@pytest.mark.parametrize("order", list(PitchOrder))
def test_orders_that_cannot_be_done_say_so(gmail: GmailStage, order: PitchOrder) -> None:
    pitch = gmail.pitch()
    gmail.sync()
    if order is PitchOrder.SENT:
        assert not order_pitch(gmail.db, pitch, order, "mary", gmail.now()).changed
        return
    with pytest.raises(RejectedInput) as refused:
        order_pitch(gmail.db, pitch, order, "mary", gmail.now())
    assert refused.value.status == 409
    assert gmail.status(pitch) == "sent"
