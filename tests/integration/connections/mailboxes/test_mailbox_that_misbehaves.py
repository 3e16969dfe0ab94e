"""Mailboxes that misbehave: messages that cannot be read by the dozen, spam, and what a person does by hand."""

from __future__ import annotations

import pytest

from crm_relay.connections.pitches.orders import PitchOrder, order_pitch
from crm_relay.connections.pitches.park import free_stranded
from crm_relay.platform.database import Database
from local.simulators.gmail import GmailSimulator
from tests.support.connections.gmail_stage import GmailStage
from tests.support.platform.rows import one, rows_of


def refused(gmail: GmailStage) -> dict[str, int]:
    """Attempts of each message that could not be read."""
    return {row["record_id"]: row["attempts"] for row in gmail.rejects()}


def test_many_messages_that_can_never_be_read_stop_no_other_one(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    gmail.sync()
    bad = [gmail_sim.deliver(f"bad{number}@example.com", at=gmail.now()) for number in range(7)]
    gmail_sim.deliver("ada@example.com", at=gmail.now())
    for each in bad:
        gmail_sim.fault("500", match=f"/messages/{each.id}", times=10_000)
    for _ in range(4):
        gmail.sync()
        gmail.pass_time(60)
    assert gmail.senders() == ["ada@example.com"]
    assert set(refused(gmail)) == {each.id for each in bad}
    # The second tries of so many hold up nobody either.
    gmail.pass_time(3_700)
    gmail_sim.deliver("grace@example.com", at=gmail.now())
    gmail.sync()
    assert gmail.senders() == ["ada@example.com", "grace@example.com"]


def test_a_message_that_cannot_be_read_is_asked_for_with_growing_pauses(
    gmail: GmailStage, gmail_sim: GmailSimulator
) -> None:
    gmail.sync()
    bad = gmail_sim.deliver("bad@example.com", at=gmail.now())
    gmail_sim.fault("500", match=f"/messages/{bad.id}", times=10_000)
    gmail.sync()
    for hour in range(1, 16):
        gmail.pass_time(3_601)
        gmail.sync()
        # After 1 hour, 2 more, 4 more, 8 more.
        assert refused(gmail) == {bad.id: 1 + sum(hour >= each for each in (1, 3, 7, 15))}, hour
    gmail_sim.faults.clear()
    gmail.pass_time(86_400)
    gmail.sync()
    assert (gmail.rejects(), gmail.senders()) == ([], ["bad@example.com"])


def test_a_draft_that_was_sent_by_hand_before_its_id_was_stored_is_not_made_again(
    gmail: GmailStage, gmail_sim: GmailSimulator
) -> None:
    pitch = gmail.pitch()
    gmail_sim.fault("lost", match="POST /gmail/v1/users/me/drafts")
    gmail.sync()
    assert gmail.waits_for(pitch) == ("queued", "provider_rest")
    gmail_sim.send_drafts_by_hand()
    gmail.pass_time()
    gmail.sync()
    assert (gmail.status(pitch), gmail.sent(), gmail.drafts()) == ("sent", ["ada@example.com"], 0)


@pytest.mark.parametrize("status", ["failed", "cancelled", "refused"])
def test_what_left_after_all_is_not_sent_again_by_an_order(
    gmail: GmailStage, gmail_sim: GmailSimulator, status: str
) -> None:
    """Such as one that an operator settled as not sent too early."""
    pitch = gmail.pitch()
    gmail.sync()
    rows_of(
        gmail.db,
        "update pitches set status = :status, left_at = null, sent_at = null, external_draft_id = null",
        status=status,
    )
    rows_of(gmail.db, "update pitches set status = 'queued', not_before = :now", now=gmail.now())
    gmail.sync()
    assert (gmail.status(pitch), gmail.sent()) == ("sent", ["ada@example.com"])


def test_what_may_have_left_is_looked_for_also_where_nothing_may_leave_any_more(
    gmail: GmailStage, gmail_sim: GmailSimulator
) -> None:
    """The direction was changed meanwhile."""
    left = gmail.pitch("left@example.com")
    gmail_sim.fault("lost", match="drafts/send")
    gmail.sync()
    draft = gmail.pitch("draft@example.com")
    gmail_sim.fault("429", match="drafts/send")
    gmail.sync()
    waits = gmail.pitch("waits@example.com")
    rows_of(gmail.db, """update integration_connections set settings = settings || '{"direction": "in"}'""")
    for _ in range(3):
        gmail.pass_time()
        gmail.sync()
    assert gmail.status(left) == "sent"
    assert gmail.waits_for(draft) == ("queued", "receives_only")
    assert gmail.waits_for(waits) == ("queued", "receives_only")
    assert gmail.sent() == ["left@example.com"]
    rows_of(gmail.db, """update integration_connections set settings = settings || '{"direction": "both"}'""")
    gmail.pass_time(3_600)
    gmail.sync()
    assert sorted(gmail.sent()) == ["draft@example.com", "left@example.com", "waits@example.com"]


def test_a_pitch_that_was_cancelled_stays_so_when_its_mailbox_is_removed(
    gmail: GmailStage, gmail_sim: GmailSimulator
) -> None:
    pitch = gmail.pitch()
    gmail_sim.fault("429", match="drafts/send")
    gmail.sync()
    order_pitch(gmail.db, pitch, PitchOrder.CANCEL, "mary", gmail.now())
    rows_of(gmail.db, "update integration_connections set status = 'disconnected'")
    free_stranded(gmail.db, gmail.now())
    assert gmail.status(pitch) == "cancelled"


@pytest.mark.parametrize("recipients", [1, 200])
def test_a_person_who_writes_to_many_is_heard(gmail: GmailStage, gmail_sim: GmailSimulator, recipients: int) -> None:
    gmail.sync()
    crowd = ", ".join(f'"Someone {number}" <p{number}@example.com>' for number in range(recipients))
    gmail_sim.deliver("Ada <ada@example.com>", at=gmail.now(), headers={"Cc": crowd})
    gmail.pass_time(60)
    gmail.sync()
    assert gmail.senders() == ["ada@example.com"]


def test_a_reply_that_came_to_another_mailbox_of_the_workspace_is_noted_with_its_pitch(
    gmail: GmailStage, gmail_sim: GmailSimulator
) -> None:
    pitch = gmail.pitch(connection_id=gmail.connection)
    gmail.sync()
    (sent,) = gmail_sim.sent()
    other = gmail.link("ben@example.org")
    gmail.sync(other)
    gmail.pass_time(60)
    gmail_sim.deliver("Ada <ada@example.com>", to="ben@example.org", answers=sent.message_id, at=gmail.now())
    gmail.sync(other)
    assert gmail.pitch_row(pitch)["replied_at"] is not None
    assert one(gmail.db, "select count(*) as n from inbox_items")["n"] == 1


def test_of_what_gmail_takes_for_spam_only_answers_and_mail_of_contacts_are_kept(
    database: Database, database_url: str, gmail_sim: GmailSimulator
) -> None:
    gmail = GmailStage(database, database_url, gmail_sim)
    gmail.link(settings={"labels": ["INBOX", "SPAM"]})
    gmail.contact("ada@example.com")
    pitch = gmail.pitch("grace@example.com")
    gmail.sync()
    (sent,) = gmail_sim.sent()
    spam = ("SPAM", "UNREAD")
    gmail_sim.deliver("Ada <ada@example.com>", at=gmail.now(), labels=spam)
    gmail_sim.deliver("Grace <grace@work.example>", at=gmail.now(), labels=spam, answers=sent.message_id)
    gmail_sim.deliver("Prince <prince@spam.example>", at=gmail.now(), labels=spam)
    gmail_sim.deliver("Stranger <stranger@example.com>", at=gmail.now())
    gmail.pass_time(60)
    gmail.sync()
    assert gmail.senders() == ["ada@example.com", "grace@work.example", "stranger@example.com"]
    assert gmail.pitch_row(pitch)["replied_at"] is not None
