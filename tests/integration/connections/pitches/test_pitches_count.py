"""Pitches in the counts of everything else: frequency caps, what is under way when sending stops, and retention."""

from __future__ import annotations

from datetime import timedelta

from crm_relay.connections.people.erase import erase_connected
from crm_relay.connections.retention.remove_old import remove_old
from crm_relay.consent.person import Person
from crm_relay.mail.stops.stop_sending import stop_sending
from local.simulators.gmail import GmailSimulator
from tests.support.connections.gmail_stage import GmailStage
from tests.support.platform.rows import one, rows_of

CAP = "insert into delivery_limits (org_id, cap_emails, cap_days) values (:org, 1, 7)"


def frees_at(gmail: GmailStage) -> list[object]:
    """When a campaign may write to Ada again."""
    rows = rows_of(
        gmail.db, "select frees_at from email_cap(:org, 'ada@example.com', :now)", org=gmail.org, now=gmail.now()
    )
    return [row["frees_at"] for row in rows]


def test_a_pitch_that_left_counts_for_the_cap_of_campaigns(gmail: GmailStage) -> None:
    rows_of(gmail.db, CAP, org=gmail.org)
    pitch = gmail.pitch("Ada@Example.com")
    assert frees_at(gmail) == []
    gmail.sync()
    left_at = gmail.pitch_row(pitch)["left_at"]
    assert frees_at(gmail) == [left_at + timedelta(days=7)]
    gmail.pass_time(8 * 86_400)
    assert frees_at(gmail) == []


def test_a_pitch_that_surely_did_not_leave_counts_for_nothing(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    rows_of(gmail.db, CAP, org=gmail.org)
    gmail_sim.fault("429", match="drafts/send")
    gmail.pitch()
    gmail.sync()
    assert frees_at(gmail) == []


def test_an_erased_person_is_in_no_count(gmail: GmailStage) -> None:
    gmail.pitch()
    gmail.sync()
    assert one(gmail.db, "select address from mail_elsewhere")["address"] == "ada@example.com"
    erase_connected(gmail.db, Person(addresses=frozenset({"ada@example.com"})), gmail.now())
    assert rows_of(gmail.db, "select * from mail_elsewhere") == []


def test_who_stops_sending_hears_of_the_pitch_that_is_under_way(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    gmail.pitch()
    gmail.pitch("grace@example.com", status="draft")
    rows_of(
        gmail.db,
        """update pitches set status = 'sending', lease = gen_random_uuid(), left_at = :now, claimed_until = :until
           where status = 'queued'""",
        now=gmail.now(),
        until=gmail.now() + timedelta(minutes=5),
    )
    stopped = stop_sending(gmail.db, gmail.now(), who="mary", reason="a wrong text")
    assert stopped.on_its_way == 1


def test_the_text_of_a_pitch_that_is_over_goes_after_a_while(gmail: GmailStage) -> None:
    sent, draft = gmail.pitch(), gmail.pitch("grace@example.com", status="draft")
    gmail.sync()
    gmail.pass_time(40 * 86_400)
    before = gmail.now() - timedelta(days=30)
    assert remove_old(gmail.db, before, before, gmail.now(), limit=10).texts == 1
    row = gmail.pitch_row(sent)
    assert (row["status"], row["subject"], row["body_text"], row["address"]) == ("sent", "", None, "ada@example.com")
    assert gmail.pitch_row(draft)["body_text"] == "Hello Ada"
    assert remove_old(gmail.db, before, before, gmail.now(), limit=10).texts == 0
