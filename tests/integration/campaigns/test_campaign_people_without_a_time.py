"""Somebody live in a running campaign, without a time and with nothing on its way, goes on by the watch, and once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.engine.run_due_steps import run_due_steps
from crm_relay.campaigns.lifecycle.hold_enrollment import pause_enrollment, resume_enrollment
from crm_relay.campaigns.watch.give_times import PATIENCE, give_times
from crm_relay.campaigns.watch.hold_campaigns import release_unreported
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Queryable
from crm_relay.providers.answers import EmailAnswer
from tests.support.campaigns.campaign_harness import ALWAYS, CampaignHarness, email, step
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import one, parse, rows_of
from tests.support.processes.meanwhile import MeanwhileBetween

LOCK = "select array_agg(id) as ids"
"""What the watch locks before it looks again."""


class PausesMeanwhile:
    """An application pauses everybody by SQL while the provider takes the mail."""

    has_idempotency_key = True

    def __init__(self, campaigns: CampaignHarness) -> None:
        self.db, self.provider = campaigns.db, campaigns.resend()
        self.name, self.largest_batch = self.provider.name, self.provider.largest_batch

    def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
        rows_of(self.db, "update campaign_enrollments set status = 'paused' returning id")
        return self.provider.send_batch(payload, key)


def forgotten(campaigns: CampaignHarness, campaign: UUID, current_step: int = 0, **columns: Any) -> UUID:
    values = {"updated_at": campaigns.now - PATIENCE - timedelta(minutes=1), **columns}
    contact = campaigns.contact(**({"timezone": zone} if (zone := values.pop("timezone", None)) else {}))
    return campaigns.enroll(campaign, contact, next_step_at=None, current_step=current_step, **values)


def due(campaigns: CampaignHarness, person: UUID) -> Any:
    return campaigns.enrollment(person)["next_step_at"]


def test_who_was_paused_while_the_last_mail_left_and_is_active_again_by_sql_completes(
    campaigns: CampaignHarness,
) -> None:
    person = campaigns.enroll(campaigns.campaign(email(1), **ALWAYS))
    engine = campaigns.engine()
    campaigns.tick(harness=replace(engine, emails=PausesMeanwhile(campaigns)))
    row = campaigns.enrollment(person)
    assert (row["status"], row["next_step_at"], row["emails_sent"]) == ("paused", None, 1)
    rows_of(campaigns.db, "update campaign_enrollments set status = 'active' returning id")
    campaigns.tick()
    assert give_times(campaigns.db, campaigns.now) == 0
    campaigns.wait(minutes=11)
    assert give_times(campaigns.db, campaigns.now) == 1
    assert give_times(campaigns.db, campaigns.now) == 0
    campaigns.tick()
    row = campaigns.enrollment(person)
    assert (row["status"], row["next_step_at"], len(campaigns.sim.mails)) == ("completed", None, 1)


@pytest.mark.parametrize("current_step", [0, 1])
def test_the_time_is_that_of_a_resumption(campaigns: CampaignHarness, current_step: int) -> None:
    """Behind the end of today's window, on the recipient's clock, also where late steps are skipped."""
    steps = (email(1, delay_days=2), email(2, delay_days=3))
    campaign = campaigns.campaign(*steps, use_recipient_timezone=True, late_policy="skip")
    campaigns.wait(hours=9)
    zones = ("Asia/Kolkata", "America/Los_Angeles", None)
    left = [forgotten(campaigns, campaign, current_step, timezone=zone) for zone in zones]
    resumed = [forgotten(campaigns, campaign, current_step, timezone=zone) for zone in zones]
    for person in resumed:
        pause_enrollment(campaigns.db, person, campaigns.now)
        resume_enrollment(campaigns.db, person, campaigns.now)
    assert give_times(campaigns.db, campaigns.now) == len(zones)
    times = [due(campaigns, person) for person in left]
    assert times == [due(campaigns, person) for person in resumed]
    assert len(set(times)) == len(zones)
    for _ in range(2 * 24 * 8):
        campaigns.tick()
        campaigns.wait(minutes=30)
    for person in (*left, *resumed):
        assert [line[1] for line in campaigns.lines(person)] == ["sent"] * (2 - current_step)
    assert len(campaigns.sim.mails) == 2 * len(zones) * (2 - current_step)


@pytest.mark.parametrize(
    "change",
    [
        "update campaign_enrollments set updated_at = :now",
        "update campaign_enrollments set status = 'paused'",
        "update campaign_enrollments set status = 'stopped'",
        "update campaigns set status = 'paused'",
        "update campaigns set source = 'edge'",
        "update campaign_sequences set is_active = false",
        """with line as (
               insert into campaign_sequence_logs
                   (org_id, campaign_id, enrollment_id, sequence_id, step_number, channel, status, scheduled_at)
               select person.org_id, person.campaign_id, person.id, step.id, 1, 'email', 'pending', now()
               from campaign_enrollments person cross join campaign_sequences step
           )
           update campaign_sequences set reached = reached + 1""",
        """insert into campaign_unsettled (send_id, channel, fate, enrollment_id, sequence_id, has_events)
           select gen_random_uuid(), 'email', 'sent', person.id, step.id, false
           from campaign_enrollments person cross join campaign_sequences step""",
    ],
)
def test_others_keep_waiting(campaigns: CampaignHarness, change: str) -> None:
    person = forgotten(campaigns, campaigns.campaign(email(1)))
    rows_of(campaigns.db, f"{change} returning 1 as one", **({"now": campaigns.now} if ":now" in change else {}))
    assert give_times(campaigns.db, campaigns.now) == 0
    assert due(campaigns, person) is None


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_a_message_on_its_way_whose_step_was_deleted_is_waited_for(campaigns: CampaignHarness, channel: str) -> None:
    steps = (email(1), email(2)) if channel == "email" else (step("sms", 1, body_text="Hello"), email(2))
    campaign = campaigns.campaign(*steps, **ALWAYS)
    person = forgotten(campaigns, campaign, 1)
    if channel == "email":
        made = campaigns.enroll(campaign)
        campaigns.sim.fault("429", retry_after=60)
        campaigns.tick()
        rows_of(campaigns.db, "update email_sends set enrollment_id = :id returning id", id=person)
        rows_of(campaigns.db, "update campaign_enrollments set status = 'stopped' where id = :id returning id", id=made)
    else:
        rows_of(
            campaigns.db,
            """insert into sms_sends (org_id, send_key, enrollment_id, to_number, body, status, not_before, queued_at)
               select org_id, 'key', id, '+15550100001', 'Hello', 'queued', :now, :now
               from campaign_enrollments returning id""",
            now=campaigns.now,
        )
    assert give_times(campaigns.db, campaigns.now) == 0
    rows_of(campaigns.db, f"update {channel}_sends set status = 'sent' returning id")
    assert give_times(campaigns.db, campaigns.now) == 1
    assert due(campaigns, person) == campaigns.now


def test_one_that_somebody_has_locked_is_left_for_the_next_look(campaigns: CampaignHarness, database_url: str) -> None:
    campaign = campaigns.campaign(email(1))
    held, free = (forgotten(campaigns, campaign, 1) for _ in range(2))
    other = Database(database_url)

    def meanwhile(tx: Queryable) -> int:
        tx.run(parse("select id from campaign_enrollments where id = :id for update"), id=held)
        return give_times(campaigns.db, campaigns.now)

    assert other.transact(meanwhile) == 1
    other.close()
    assert (due(campaigns, held), due(campaigns, free)) == (None, campaigns.now)
    assert give_times(campaigns.db, campaigns.now) == 1


def test_one_whose_step_is_taken_between_look_and_lock_gets_no_second_time(
    campaigns: CampaignHarness, database_url: str
) -> None:
    """Made due by somebody else and queued at once: what is on its way brings the next time."""
    campaign = campaigns.campaign(email(1), email(2, delay_days=1), **ALWAYS)
    person = forgotten(campaigns, campaign)

    def taken(db: Database) -> None:
        rows_of(db, "update campaign_enrollments set next_step_at = :now returning id", now=campaigns.now)
        campaigns.sim.fault("429", retry_after=600)
        run_due_steps(db, campaigns.engine(), campaigns.clock, Deadline.after(600))
        # As if nobody had noted the change.
        rows_of(db, "update campaign_enrollments set updated_at = :at returning id", at=campaigns.now - 2 * PATIENCE)

    database = MeanwhileBetween(database_url, LOCK, taken)
    assert give_times(database, campaigns.now) == 0
    database.join()
    database.close()
    assert campaigns.lines(person) == [(1, "pending", None)]
    assert due(campaigns, person) is None


def test_one_campaign_that_cannot_be_read_is_reported_and_stops_no_other(campaigns: CampaignHarness) -> None:
    broken, other = campaigns.campaign(email(1), name="Broken"), campaigns.campaign(email(1), name="Other")
    rows_of(campaigns.db, "update campaigns set timezone = 'Mars/Olympus' where id = :id returning id", id=broken)
    waits, goes = forgotten(campaigns, broken, 1), forgotten(campaigns, other, 1)
    assert give_times(campaigns.db, campaigns.now) == 1
    assert (due(campaigns, waits), due(campaigns, goes)) == (None, campaigns.now)
    reported = "select kind, subject from incidents where closed_at is null"
    assert one(campaigns.db, reported) == {"kind": "campaign_unreadable", "subject": str(broken)}
    rows_of(campaigns.db, "update campaigns set timezone = 'UTC' where id = :id returning id", id=broken)
    assert give_times(campaigns.db, campaigns.now) == 1
    campaigns.tick()
    assert rows_of(campaigns.db, reported) == []
    assert campaigns.enrollment(waits)["status"] == "completed"


def test_one_row_that_the_database_refuses_stops_no_other(campaigns: CampaignHarness) -> None:
    campaign, other = campaigns.campaign(email(1), name="One"), campaigns.campaign(email(1), name="Two")
    people = [forgotten(campaigns, campaign, 1) for _ in range(12)] + [forgotten(campaigns, other, 1)]
    rows_of(
        campaigns.db,
        f"""do $do$ begin
            create function refuses() returns trigger language plpgsql as $$ begin
                raise exception 'planted' using errcode = '22003'; end $$;
            create trigger refuses before update on campaign_enrollments
                for each row when (new.id = '{people[5]}') execute function refuses();
        end $do$""",
    )
    assert give_times(campaigns.db, campaigns.now) == len(people) - 1
    assert [person for person in people if due(campaigns, person) is None] == [people[5]]


def statements(campaigns: CampaignHarness) -> int:
    with CountingProxy(campaigns.url) as proxy:
        database = Database(proxy.url)
        release_unreported(database, campaigns.now)
        proxy.forget()
        give_times(database, campaigns.now)
        database.close()
        return len(proxy.queries)


def test_one_statement_where_nobody_waits_and_as_many_for_one_as_for_many(campaigns: CampaignHarness) -> None:
    one_campaign, other = campaigns.campaign(email(1), name="One"), campaigns.campaign(email(1), name="Two")
    campaigns.enroll_many(other, 5)
    idle = statements(campaigns)
    forgotten(campaigns, one_campaign, 1)
    few = statements(campaigns)
    for campaign in (one_campaign, other):
        for current_step in (0, 1) * 15:
            forgotten(campaigns, campaign, current_step)
    many = statements(campaigns)
    assert (idle, few, many) == (1, few, few)
    assert rows_of(campaigns.db, "select id from campaign_enrollments where next_step_at is null") == []


def test_who_is_held_by_a_fault_without_an_open_incident_is_due_and_the_others_stay(campaigns: CampaignHarness) -> None:
    stale, reported = campaigns.campaign(email(1), name="Stale"), campaigns.campaign(email(1), name="Reported")
    for kind, campaign in (("campaign_unreadable", stale), ("content", reported)):
        campaigns.enroll(campaign, due=campaigns.now + timedelta(hours=2), held_for=kind)
    rows_of(
        campaigns.db, "update campaign_sequences set subject = null where campaign_id = :id returning id", id=reported
    )
    capped = campaigns.enroll(stale, due=campaigns.now + timedelta(hours=1), held_for="frequency_cap")
    rows_of(
        campaigns.db,
        """insert into incidents (kind, subject, title, opened_at)
           values ('campaign_content', :campaign, 'held', now()) returning id""",
        campaign=str(reported),
    )
    assert release_unreported(campaigns.db, campaigns.now) == 1
    assert release_unreported(campaigns.db, campaigns.now) == 0
    rows = rows_of(campaigns.db, "select held_for from campaign_enrollments order by held_for")
    assert [row["held_for"] for row in rows] == ["content", "frequency_cap", None]
    assert due(campaigns, capped) > campaigns.now
    campaigns.tick()
    assert [mail.recipients for mail in campaigns.sim.mails] == [["person1@example.com"]]
