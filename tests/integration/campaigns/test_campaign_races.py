"""Transactions about one enrollment at the same moment: each reads what the other left, and nothing is overwritten."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.engine.settle import settle
from crm_relay.campaigns.engine.stop import stop_answered, stop_for_address
from crm_relay.campaigns.erase import erase_enrolled
from crm_relay.campaigns.lifecycle.end_campaign import cancel, cancel_enrollment
from crm_relay.campaigns.lifecycle.hold_enrollment import pause_enrollment, resume_enrollment
from crm_relay.campaigns.models import ENROLLMENT
from crm_relay.campaigns.unsettled.settle_again import settle_again
from crm_relay.consent.person import Person
from crm_relay.mail.feedback.unsubscribe import UnsubscribeRequest
from crm_relay.mail.models import Fate, Settled
from crm_relay.platform.database import Database
from crm_relay.sources.resend import RESEND
from crm_relay.sources.unsubscribe import UNSUBSCRIBE
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_once
from crm_relay.webhooks.source import Received
from tests.support.campaigns.campaign_harness import CampaignHarness, email
from tests.support.mail.mail_events import delivered, email_event
from tests.support.platform.rows import one, rows_of
from tests.support.processes.meanwhile import MeanwhileBefore, MeanwhileBetween

COMMIT, LINES, QUEUE = "commit", "update campaign_sequence_logs", "insert into email_sends"
"""Where a transaction is interrupted: before its end, before it records a fate, before it queues what it claimed."""

LOCK = "select id from campaign_enrollments where id = any"
"""What settling locks before it reads."""

Act = Callable[[Database], object]


def between(url: str, word: str, act: Callable[[Database], object], meanwhile: Act) -> None:
    """`meanwhile` begins inside the transaction of `act`, and ends or waits there."""
    database = MeanwhileBefore(url, word, meanwhile)
    try:
        act(database)
        database.join()
    finally:
        database.close()


def on_its_way(campaigns: CampaignHarness, *steps: dict[str, Any]) -> tuple[UUID, UUID, Act]:
    """The campaign, somebody whose first mail is being sent, and what records that it was."""
    campaign = campaigns.campaign(*(steps or (email(1),)))
    return campaign, *sending(campaigns, campaign)


def sending(campaigns: CampaignHarness, campaign: UUID) -> tuple[UUID, Act]:
    """Somebody more."""
    step = one(
        campaigns.db, "select id from campaign_sequences where campaign_id = :id and step_number = 1", id=campaign
    )["id"]
    person = campaigns.enroll(campaign, next_step_at=None, current_step=1)
    rows_of(
        campaigns.db,
        """with line as (
               insert into campaign_sequence_logs
                   (org_id, campaign_id, enrollment_id, sequence_id, step_number, channel, status, scheduled_at)
               select org_id, campaign_id, id, :step, 1, 'email', 'pending', cast(:now as timestamptz)
               from campaign_enrollments where id = :person
           )
           update campaign_sequences set reached = reached + 1 where id = :step""",
        step=step,
        person=person,
        now=campaigns.now,
    )
    settled = Settled(UUID(int=1), Fate.SENT, None, ENROLLMENT, person, step)
    return person, lambda db: db.transact(lambda tx: settle(tx, [settled], campaigns.now))


# --- settle against a pause, and against what lets somebody go on -----------------------------------------------------


@pytest.mark.parametrize("pause_is_first", [True, False])
def test_a_fate_that_becomes_known_beside_a_pause_leaves_the_person_paused(
    campaigns: CampaignHarness, database_url: str, pause_is_first: bool
) -> None:
    _, person, recorded = on_its_way(campaigns, email(1), email(2, delay_days=1))

    def paused(database: Database) -> None:
        pause_enrollment(database, person, campaigns.now)

    if pause_is_first:
        between(database_url, COMMIT, paused, recorded)
        # It does not wait for the pause, and is settled behind it.
        settle_again(campaigns.db, campaigns.now)
    else:
        between(database_url, LINES, recorded, paused)
    row = campaigns.enrollment(person)
    assert (row["status"], row["emails_sent"]) == ("paused", 1)
    assert row["next_step_at"] is not None
    assert campaigns.lines(person) == [(1, "sent", None)]


def test_a_pause_directly_before_the_lock_of_a_fate_stays(campaigns: CampaignHarness, database_url: str) -> None:
    _, person, recorded = on_its_way(campaigns, email(1), email(2, delay_days=1))
    database = MeanwhileBetween(database_url, LOCK, lambda db: pause_enrollment(db, person, campaigns.now))
    recorded(database)
    database.join()
    database.close()
    row = campaigns.enrollment(person)
    assert (row["status"], row["emails_sent"]) == ("paused", 1)


def test_a_person_who_goes_on_while_the_last_fate_becomes_known_is_not_left_without_a_time(
    campaigns: CampaignHarness, database_url: str
) -> None:
    _, person, recorded = on_its_way(campaigns)
    pause_enrollment(campaigns.db, person, campaigns.now)
    between(database_url, LINES, recorded, lambda db: resume_enrollment(db, person, campaigns.now))
    assert campaigns.enrollment(person)["next_step_at"] is not None
    campaigns.tick()
    assert campaigns.enrollment(person)["status"] == "completed"


@pytest.mark.parametrize("stop_is_first", [True, False])
def test_a_fate_that_becomes_known_beside_a_stop_leaves_the_sequence_ended(
    campaigns: CampaignHarness, database_url: str, stop_is_first: bool
) -> None:
    _, person, recorded = on_its_way(campaigns, email(1), email(2, delay_days=1))

    def stopped(database: Database) -> None:
        stop_for_address(database, None, "person1@example.com", None, "complaint", campaigns.now)

    if stop_is_first:
        between(database_url, COMMIT, stopped, recorded)
        settle_again(campaigns.db, campaigns.now)
    else:
        between(database_url, LINES, recorded, stopped)
    row = campaigns.enrollment(person)
    assert (row["status"], row["stopped_reason"], row["next_step_at"]) == ("unsubscribed", "complaint", None)
    assert (row["emails_sent"], campaigns.lines(person)) == (1, [(1, "sent", None)])


def test_one_fate_that_two_workers_record_at_once_counts_once(campaigns: CampaignHarness, database_url: str) -> None:
    campaign, person, recorded = on_its_way(campaigns)
    between(database_url, LINES, recorded, recorded)
    row = campaigns.enrollment(person)
    assert (row["status"], row["emails_sent"]) == ("completed", 1)
    assert campaigns.totals(campaign) == (0, 1, 1)


# --- claim against whatever ends a sequence ---------------------------------------------------------------------------


def by_address(campaigns: CampaignHarness, _person: UUID) -> Act:
    return lambda db: stop_for_address(db, None, "person1@example.com", None, "complaint", campaigns.now)


def by_a_complaint(campaigns: CampaignHarness, _person: UUID) -> Act:
    first = one(campaigns.db, "select id, resend_id from email_sends")
    complaint = delivered(email_event("complained", 0), first["id"], first["resend_id"], "person1@example.com")
    return lambda db: apply_once(db, RESEND, complaint)


def by_the_page(campaigns: CampaignHarness, _person: UUID) -> Act:
    wanted = unsubscribes(campaigns)
    return lambda db: apply_once(db, UNSUBSCRIBE, wanted)


def by_a_reply(campaigns: CampaignHarness, _person: UUID) -> Act:
    campaigns.deliver()

    def act(db: Database) -> int:
        campaigns.reply(campaigns.sim.mails[0])
        return stop_answered(db, campaigns.now)

    return act


def by_a_cancelled_place(campaigns: CampaignHarness, person: UUID) -> Act:
    return lambda db: cancel_enrollment(db, person, campaigns.now)


def by_a_cancelled_campaign(campaigns: CampaignHarness, person: UUID) -> Act:
    campaign = campaigns.enrollment(person)["campaign_id"]
    return lambda db: cancel(db, campaign, campaigns.now)


def by_an_erasure(campaigns: CampaignHarness, _person: UUID) -> Act:
    erased = Person(addresses=frozenset({"person1@example.com"}))
    return lambda db: erase_enrolled(db, erased, campaigns.now)


# A reply never waits for a claim: what was claimed before it leaves.
WAITING_STOPS = [
    by_address,
    by_a_complaint,
    by_the_page,
    by_a_cancelled_place,
    by_a_cancelled_campaign,
    by_an_erasure,
]


def due_again(campaigns: CampaignHarness) -> UUID:
    """Somebody who got the first mail and to whom the second is due."""
    campaign = campaigns.campaign(email(1), email(2, delay_minutes=1))
    person = campaigns.enroll(campaign)
    campaigns.tick()
    campaigns.wait(minutes=2)
    return person


@pytest.mark.parametrize("stop", WAITING_STOPS)
def test_what_is_queued_for_somebody_at_the_moment_of_a_stop_is_taken_back_by_it(
    campaigns: CampaignHarness, database_url: str, stop: Callable[[CampaignHarness, UUID], Act]
) -> None:
    person = due_again(campaigns)
    act, left = stop(campaigns, person), []

    def stopped(database: Database) -> None:
        act(database)
        # Before the engine looks at it once more.
        left.append(one(database, "select status, reason from email_sends order by queued_at desc limit 1"))

    between(database_url, QUEUE, lambda db: campaigns.tick(db=db), stopped)
    row = campaigns.enrollment(person)
    assert row["status"] in {"unsubscribed", "replied", "stopped"}
    assert row["next_step_at"] is None
    assert left == [{"status": "refused", "reason": row["stopped_reason"]}]
    assert campaigns.lines(person) == [(1, "sent", None), (2, "stopped", row["stopped_reason"])]
    assert len(campaigns.sim.mails) == 1


@pytest.mark.parametrize("stop", [*WAITING_STOPS, by_a_reply])
def test_a_claim_passes_over_somebody_who_is_being_stopped(
    campaigns: CampaignHarness, database_url: str, stop: Callable[[CampaignHarness, UUID], Act]
) -> None:
    person = due_again(campaigns)
    between(database_url, COMMIT, stop(campaigns, person), lambda db: campaigns.tick(db=db))
    campaigns.tick()
    assert campaigns.enrollment(person)["status"] in {"unsubscribed", "replied", "stopped"}
    assert campaigns.lines(person) == [(1, "sent", None)]
    assert len(campaigns.sim.mails) == 1


# --- two sources on one row, and on one counter -----------------------------------------------------------------------


def unsubscribes(campaigns: CampaignHarness) -> Received[UnsubscribeRequest]:
    token = one(campaigns.db, "select unsubscribe_token as token from email_sends")["token"]
    wanted = UnsubscribeRequest(token, False, campaigns.now, None)
    return Received(Delivered(UNSUBSCRIBE.name, wanted.to_body(), campaigns.now), wanted)


def test_of_a_complaint_and_an_unsubscribe_at_once_the_first_ends_the_sequence_and_both_are_kept(
    campaigns: CampaignHarness, database_url: str
) -> None:
    person = due_again(campaigns)
    by_page = unsubscribes(campaigns)
    between(database_url, COMMIT, by_a_complaint(campaigns, person), lambda db: apply_once(db, UNSUBSCRIBE, by_page))
    row = campaigns.enrollment(person)
    assert (row["status"], row["stopped_reason"]) == ("unsubscribed", "complaint")
    # The page adds nothing to an address that gets no mail any more.
    assert one(campaigns.db, "select kind from consent_events") == {"kind": "complaint"}
    mail = one(campaigns.db, "select complained_at, unsubscribed_at from email_sends")
    assert None not in mail.values()


def test_two_people_of_a_campaign_whose_fates_become_known_at_once_both_count_in_its_totals(
    campaigns: CampaignHarness, database_url: str
) -> None:
    campaign, _, first = on_its_way(campaigns)
    _, second = sending(campaigns, campaign)
    between(database_url, COMMIT, first, second)
    assert campaigns.totals(campaign) == (0, 2, 2)


def test_a_fate_and_a_departure_in_one_campaign_at_once_both_count_in_its_totals(
    campaigns: CampaignHarness, database_url: str
) -> None:
    campaign, _, recorded = on_its_way(campaigns)
    campaigns.enroll(campaign)
    stop: Act = lambda db: stop_for_address(db, None, "person2@example.com", None, "opt_out", campaigns.now)  # noqa: E731
    between(database_url, COMMIT, recorded, stop)
    assert campaigns.totals(campaign) == (0, 1, 1)
