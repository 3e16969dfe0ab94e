"""Somebody's open transaction on any row of campaigns or mail holds up what needs that row, and nothing else."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.campaigns.watch.fold_totals import fold_totals
from crm_relay.campaigns.watch.watch_locks import LOCKED, watch_locks
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import open_incidents
from crm_relay.mail.senders.watch_senders import watch_senders
from crm_relay.mail.stops.stop_sending import resume_sending, stop_sending
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.twilio.client import Twilio
from local.simulators.twilio import TwilioSimulator
from tests.support.campaigns.campaign_harness import CampaignHarness, email, step
from tests.support.platform.aws_of_a_test import wait_until
from tests.support.platform.rows import one, parse, rows_of

STEPS = (email(1), step("sms", 2, body_text="Hi", delay_minutes=30), step("task", 3, delay_minutes=30))
ALL = [1, 2, 3]

# Which rows of the first campaign and its people (:campaign, :org, :people) are held, table by table.
HELD = {
    "organizations": "id = :org",
    "campaigns": "id = :campaign",
    "campaign_sequences": "campaign_id = :campaign",
    "campaign_enrollments": "id = any (cast(:people as uuid[]))",
    "campaign_sequence_logs": "enrollment_id = any (cast(:people as uuid[]))",
    "contacts": "id in (select contact_id from campaign_enrollments where id = any (cast(:people as uuid[])))",
    "email_identities": "org_id = :org",
    "email_templates": "org_id = :org",
    "email_sends": "enrollment_id = any (cast(:people as uuid[]))",
    "email_batches": "id in (select batch_id from email_sends where enrollment_id = any (cast(:people as uuid[])))",
    "email_logs": "email_send_id in (select id from email_sends where enrollment_id = any (cast(:people as uuid[])))",
    "sms_sends": "enrollment_id = any (cast(:people as uuid[]))",
    "inbox_items": "true",
    "delivery_limits": "org_id = :org",
    "hold_changes": "true",
    "topic_opt_outs": "org_id = :org",
    "campaign_total_changes": "campaign_id = :campaign",
    "campaign_unsettled": "enrollment_id = any (cast(:people as uuid[]))",
    "incidents": "true",
    "sending_stops": "true",
}


WAITING = """select count(*)::integer as waiting from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'"""


@contextmanager
def held(url: str, table: str, values: dict[str, Any]) -> Iterator[None]:
    """All these rows, as long as the block lasts."""
    begun, release = threading.Event(), threading.Event()
    other = Database(url)
    where = HELD[table]
    used = {name: value for name, value in values.items() if f":{name}" in where}

    def work(tx: Queryable) -> None:
        tx.run(parse(f"select 1 as held from {table} where {where} for update"), **used)
        begun.set()
        release.wait(120)

    holder = threading.Thread(target=other.transact, args=(work,))
    holder.start()
    try:
        assert begun.wait(20)
        yield
    finally:
        release.set()
        holder.join()
        other.close()


@pytest.fixture
def two(campaigns: CampaignHarness) -> Iterator[dict[UUID, list[UUID]]]:
    """A campaign in each of two organizations, with people who have a number; nobody waits for long for a lock."""
    window: dict[str, Any] = {"send_window_start": "00:00", "send_window_end": "23:59"}
    mine = campaigns.campaign(*STEPS, name="Mine", **window)
    other = campaigns.campaign(*STEPS, name="Other", org=campaigns.organization(), **window)
    campaigns.limit(100)
    people = {}
    with TwilioSimulator(now=campaigns.clock) as twilio:
        http = HttpClient(twilio.url, timeout=(2, 5), repeats=0)
        campaigns.texts = Twilio(http, twilio.account_sid, twilio.auth_token, twilio.number)
        for number, campaign in enumerate((mine, other)):
            org = one(campaigns.db, "select org_id from campaigns where id = :id", id=campaign)["org_id"]
            contacts = [campaigns.contact(org=org, phone=f"+1555010{number}{n:03}") for n in range(3)]
            people[campaign] = [campaigns.enroll(campaign, contact) for contact in contacts]
        name = one(campaigns.db, "select current_database() as name")["name"]
        rows_of(campaigns.db, f"alter database {name} set lock_timeout = '1s'")
        campaigns.db.close()
        yield people


def sent_to(campaigns: CampaignHarness, people: list[UUID]) -> list[list[int]]:
    return [[number for number, status, _ in campaigns.lines(each) if status == "sent"] for each in people]


def cron(campaigns: CampaignHarness) -> None:
    """What the function does in a run, but for what it asks of others."""
    campaigns.tick()
    fold_totals(campaigns.db)
    # What counts by the database's own clock.
    rows_of(campaigns.db, "update campaign_total_changes set changed_at = changed_at - interval '31 minutes'")
    rows_of(campaigns.db, "update campaign_unsettled set since = since - interval '31 minutes'")
    watch_senders(campaigns.db, campaigns.now)
    watch_locks(campaigns.db, campaigns.now)


def incidents(campaigns: CampaignHarness) -> set[str]:
    return {row["kind"] for row in rows_of(campaigns.db, "select kind from incidents where closed_at is null")}


@pytest.mark.parametrize("when", ["before", "queued", "sent"])
@pytest.mark.parametrize("table", HELD)
def test_rows_that_are_held_hold_up_nobody_elses_campaign(
    campaigns: CampaignHarness, two: dict[UUID, list[UUID]], table: str, when: str
) -> None:
    mine, other = two
    if when == "queued":
        campaigns.sim.fault("429", retry_after=60)
        campaigns.tick()
        campaigns.wait(minutes=2)
    elif when == "sent":
        campaigns.tick()
        campaigns.wait(minutes=31)
        # Somebody of each has answered.
        for people in two.values():
            token = one(
                campaigns.db,
                "select reply_token, recipient_email from email_sends where enrollment_id = :id",
                id=people[0],
            )
            mail = next(each for each in campaigns.sim.mails if each.recipients[0] == token["recipient_email"])
            domain = one(
                campaigns.db,
                """select inbound_domain from email_identities identity
                   join campaign_enrollments mine on mine.org_id = identity.org_id where mine.id = :id""",
                id=people[0],
            )["inbound_domain"]
            campaigns.reply(mail, in_reply_to=None, to_addresses=[f"reply+{token['reply_token']}@{domain}"])
    values = {"campaign": mine, "org": campaigns.org, "people": two[mine]}
    with held(campaigns.url, table, values):
        for _ in range(5):
            cron(campaigns)
            campaigns.wait(minutes=31)
        done = [[1] if when == "sent" else ALL, ALL, ALL]
        assert sent_to(campaigns, two[other]) == done
        waits = sent_to(campaigns, two[mine]) != done
        reported = incidents(campaigns)
    if waits:
        assert reported & {"campaign_locked", "email_batch_refused"}, (sent_to(campaigns, two[mine]), reported)
    for _ in range(8):
        cron(campaigns)
        campaigns.wait(minutes=31)
    for people in two.values():
        assert sent_to(campaigns, people) == done
    assert incidents(campaigns) == set()


@pytest.mark.parametrize("is_repaired", [False, True])
def test_an_incident_that_is_held_holds_up_nobody(
    campaigns: CampaignHarness, two: dict[UUID, list[UUID]], is_repaired: bool
) -> None:
    """One of a campaign that cannot be written: found again while it is open, and closed where it is repaired."""
    mine, other = two
    rows_of(campaigns.db, "update campaign_sequences set body_text = null where campaign_id = :id", id=mine)
    for _ in range(3):
        cron(campaigns)
        campaigns.wait(minutes=31)
    assert incidents(campaigns) == {"campaign_content"}
    repair = "update campaign_sequences set body_text = 'Hi' where campaign_id = :id and channel = 'sms'"
    if is_repaired:
        rows_of(campaigns.db, repair, id=mine)
    org = one(campaigns.db, "select org_id from campaigns where id = :id", id=other)["org_id"]
    late = campaigns.enroll(other, campaigns.contact(org=org, phone="+15550100099"))
    with held(campaigns.url, "incidents", {}):
        for _ in range(5):
            cron(campaigns)
            campaigns.wait(minutes=31)
        assert sent_to(campaigns, [*two[other], late]) == [ALL] * 4
    rows_of(campaigns.db, repair, id=mine)
    for _ in range(4):
        cron(campaigns)
        campaigns.wait(minutes=31)
    assert sent_to(campaigns, two[mine]) == [ALL] * 3
    assert incidents(campaigns) == set()


@pytest.mark.parametrize("is_queued", [False, True])
def test_a_stop_that_is_held_holds_up_nobody_else_and_lets_nothing_of_its_own_leave(
    campaigns: CampaignHarness, two: dict[UUID, list[UUID]], is_queued: bool
) -> None:
    mine, other = two
    if is_queued:
        campaigns.sim.fault("429", retry_after=60)
    cron(campaigns)
    before = sent_to(campaigns, two[mine])
    stop_sending(campaigns.db, campaigns.now, org_id=campaigns.org)
    with held(campaigns.url, "sending_stops", {}):
        for _ in range(5):
            campaigns.wait(minutes=31)
            cron(campaigns)
        assert sent_to(campaigns, two[other]) == [ALL] * 3
        assert sent_to(campaigns, two[mine]) == before
    resume_sending(campaigns.db, campaigns.now, org_id=campaigns.org)
    for _ in range(4):
        campaigns.wait(minutes=31)
        cron(campaigns)
    assert sent_to(campaigns, two[mine]) == [ALL] * 3
    assert incidents(campaigns) == set()


def test_a_batch_that_was_locked_before_and_asked_since_is_no_batch_that_is_locked_for_long(
    campaigns: CampaignHarness,
) -> None:
    person = campaigns.enroll(campaigns.campaign(email(1)))
    values = {"people": [person]}
    campaigns.sim.fault("cut_before")
    campaigns.tick()
    for _ in range(2):
        campaigns.wait(minutes=2)
        with held(campaigns.url, "email_sends", values):
            campaigns.tick()
        assert incidents(campaigns) == set()
        campaigns.sim.fault("cut_before")
        campaigns.wait(minutes=20)
        campaigns.tick()
    campaigns.wait(minutes=20)
    campaigns.tick()
    assert sent_to(campaigns, [person]) == [[1]]


def test_whoever_watches_locks_waits_for_a_locked_incident_without_the_turn_of_the_claimers(
    campaigns: CampaignHarness,
) -> None:
    person = campaigns.enroll(campaigns.campaign(email(1)))
    open_incidents(campaigns.db, [Incident(LOCKED, str(uuid4()), "a campaign that is gone by now")], campaigns.now)
    beside = Database(campaigns.url)
    with ThreadPoolExecutor(1) as watcher, held(campaigns.url, "incidents", {}):
        watching = watcher.submit(watch_locks, beside, campaigns.now)
        wait_until(lambda: one(campaigns.db, WAITING)["waiting"] == 1)
        campaigns.tick()
        assert sent_to(campaigns, [person]) == [[1]]
        assert not watching.done()
    assert watching.result().closed == 1
    beside.close()
