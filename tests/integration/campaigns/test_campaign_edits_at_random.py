"""Campaigns, steps, templates and caps are edited by SQL at random while the engine runs, as an application would."""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from crm_relay.campaigns.watch.fold_totals import fold_totals
from crm_relay.campaigns.watch.watch_locks import watch_locks
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.send_windows import SendWindow, is_open
from tests.support.campaigns.campaign_harness import CampaignHarness, email, step
from tests.support.campaigns.random_edits import EDITS, REPAIRS
from tests.support.platform.rows import one, rows_of

PEOPLE = 5
ROUNDS = 40

# What holds somebody without an incident of the campaign's: the clock, or what an operator reads in the sender's row.
_HELD_BY_RULES = {"window", "frequency_cap", "sender_paused", "no_postal_address"}


@pytest.fixture
def two(campaigns: CampaignHarness) -> tuple[UUID, UUID]:
    """Two campaigns with the same people: one with its own words, one with a template's."""
    template = one(
        campaigns.db,
        """insert into email_templates (org_id, name, slug, subject, body_html)
           values (default_org_id(), 'Welcome', 'welcome', 'Welcome', '<p>Hi</p>') returning id""",
    )["id"]
    own = campaigns.campaign(email(1), step("task", 2, delay_hours=2), email(3, delay_days=1), name="Own")
    shared = campaigns.campaign(
        {"step_number": 1, "channel": "email", "template_id": template},
        step("wait", 2, delay_hours=5),
        {"step_number": 3, "channel": "email", "template_id": template, "delay_days": 1},
        name="Shared",
    )
    for _ in range(PEOPLE):
        person = campaigns.contact()
        for campaign in (own, shared):
            campaigns.enroll(campaign, person)
    return own, shared


def edit(campaigns: CampaignHarness, sql: str, campaign: UUID) -> None:
    """An application hears of what the database refuses, and leaves it."""
    with suppress(RejectedInput):
        rows_of(campaigns.db, sql, **({"campaign": campaign} if ":campaign" in sql else {}))


def assert_mail_was_allowed(campaigns: CampaignHarness, seen: set[UUID], rules: dict[UUID, dict[str, object]]) -> None:
    """By the rules as they are now: nothing was edited while the engine ran."""
    for row in rows_of(
        campaigns.db, "select id, campaign_id, address, sent_at from email_sends where sent_at is not null"
    ):
        if row["id"] not in seen:
            seen.add(row["id"])
            campaign = rules[row["campaign_id"]]
            assert campaign["status"] == "active"
            window = SendWindow.of(
                campaign["send_days"],  # type: ignore[arg-type]
                campaign["send_window_start"],  # type: ignore[arg-type]
                campaign["send_window_end"],  # type: ignore[arg-type]
                str(campaign["timezone"]),
            )
            assert is_open(window, row["sent_at"])
            assert campaign["postal_address"] is not None
            assert campaign["paused_at"] is None
            if campaign["cap_emails"] is not None:
                assert mails_to(campaigns, row["address"]) <= int(str(campaign["cap_emails"]))


def mails_to(campaigns: CampaignHarness, address: str) -> int:
    """In the days of the cap that the edits set."""
    sql = "select count(*) as n from email_sends where address = :address and sent_at > :since"
    return int(one(campaigns.db, sql, address=address, since=campaigns.now - timedelta(days=2))["n"])


def rules_of(campaigns: CampaignHarness) -> dict[UUID, dict[str, object]]:
    rows = rows_of(
        campaigns.db,
        """select campaign.*, organization.postal_address, sender.paused_at, limits.cap_emails from campaigns campaign
           join organizations organization on organization.id = campaign.org_id
           join email_identities sender on sender.org_id = campaign.org_id
           left join delivery_limits limits on limits.org_id = campaign.org_id""",
    )
    return {row["id"]: row for row in rows}


def assert_nobody_is_stuck_in_silence(campaigns: CampaignHarness) -> None:
    """Who is overdue, paused or held has a rule that says so, or an open incident of the campaign."""
    reported = {
        (row["kind"], row["subject"])
        for row in rows_of(campaigns.db, "select kind, subject from incidents where closed_at is null")
    }
    kinds = {"campaign_unreadable": "campaign_unreadable", "content": "campaign_content"}
    people = rows_of(
        campaigns.db,
        """select enrollment.*, owner.status as campaign_status from campaign_enrollments enrollment
           join campaigns owner on owner.id = enrollment.campaign_id where enrollment.status <> 'completed'""",
    )
    for row in people:
        assert row["status"] in {"active", "engaged"}, row["last_error"]
        assert row["error_count"] == 0, row["last_error"]
        kind = kinds.get(row["held_for"])
        if kind is not None:
            assert (kind, str(row["campaign_id"])) in reported
        else:
            assert row["held_for"] is None or row["held_for"] in _HELD_BY_RULES, row["held_for"]


def run(campaigns: CampaignHarness) -> None:
    campaigns.tick()
    fold_totals(campaigns.db)
    watch_locks(campaigns.db, campaigns.now)


def until_all_are_done(campaigns: CampaignHarness, wait: Callable[[], None]) -> None:
    for _ in range(200):
        run(campaigns)
        if one(campaigns.db, "select count(*) as n from campaign_enrollments where status <> 'completed'")["n"] == 0:
            return
        wait()


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_edited_nobody_is_stuck_in_silence_and_everybody_goes_on_after_the_repair(
    campaigns: CampaignHarness, two: tuple[UUID, UUID], seed: int
) -> None:
    chance, seen = random.Random(seed), set[UUID]()
    for _ in range(ROUNDS):
        for _ in range(chance.randint(0, 2)):
            edit(campaigns, chance.choice(EDITS), chance.choice(two))
        rules = rules_of(campaigns)
        run(campaigns)
        assert_mail_was_allowed(campaigns, seen, rules)
        assert_nobody_is_stuck_in_silence(campaigns)
        campaigns.wait(minutes=chance.choice((1, 20, 180, 700)))
    for sql in REPAIRS:
        rows_of(campaigns.db, sql)
    begin: datetime = campaigns.now
    until_all_are_done(campaigns, lambda: campaigns.wait(minutes=30))
    sql = "select status, held_for, count(*)::integer as n from campaign_enrollments group by 1, 2"
    statuses = rows_of(campaigns.db, sql)
    assert [(row["status"], row["n"]) for row in statuses] == [("completed", 2 * PEOPLE)], statuses
    assert campaigns.now - begin < timedelta(days=4)
    kinds = rows_of(campaigns.db, "select kind from incidents where closed_at is null and kind like 'campaign%'")
    assert kinds == []
