"""While a step is on its way the next one is not due: delays run from when it left, whatever held it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.lifecycle.hold_enrollment import pause_enrollment, resume_enrollment
from crm_relay.platform.database import Row
from tests.support.campaigns.campaign_harness import CampaignHarness, email, step
from tests.support.platform.rows import one, rows_of

# A Friday, 16:58 in New York: the window closes in two minutes.
FRIDAY = datetime(2026, 11, 20, 21, 58, tzinfo=UTC)
MONDAY_OPEN = datetime(2026, 11, 23, 14, tzinfo=UTC)


def place(campaigns: CampaignHarness, person: UUID) -> Row:
    return campaigns.enrollment(person)


def left_at(campaigns: CampaignHarness) -> list[datetime]:
    rows = rows_of(campaigns.db, "select left_at from email_sends order by left_at")
    return [row["left_at"] for row in rows]


def run_days(campaigns: CampaignHarness, days: float, *, minutes: int = 30) -> None:
    """The worker comes every half hour."""
    for _ in range(int(days * 24 * 60 / minutes)):
        campaigns.tick()
        campaigns.wait(minutes=minutes)


def test_a_mail_that_a_rate_limit_held_over_the_weekend_pushes_the_next_ones_along(campaigns: CampaignHarness) -> None:
    campaigns.time[0] = FRIDAY
    person = campaigns.enroll(campaigns.campaign(email(1), email(2, delay_days=1), email(3, delay_days=1)))
    campaigns.sim.fault("429", retry_after=300)
    campaigns.tick()
    assert place(campaigns, person)["next_step_at"] is None
    run_days(campaigns, 6)
    first, second, third = left_at(campaigns)
    assert first == MONDAY_OPEN + timedelta(minutes=first.minute)
    assert second - first >= timedelta(days=1)
    assert third - second >= timedelta(days=1)
    assert place(campaigns, person)["status"] == "completed"


def test_a_quota_that_is_gone_for_three_days_keeps_the_delays_between_steps(campaigns: CampaignHarness) -> None:
    campaigns.enroll(campaigns.campaign(email(1), email(2, delay_hours=2), email(3, delay_hours=2), **always()))
    campaigns.sim.account.monthly_quota = 0
    run_days(campaigns, 3)
    assert campaigns.sim.mails == []
    campaigns.sim.account.monthly_quota = None
    run_days(campaigns, 1)
    times = left_at(campaigns)
    assert len(times) == 3
    assert all(later - earlier >= timedelta(hours=2) for earlier, later in pairwise(times))


def test_a_campaign_that_was_paused_while_mail_waited_keeps_the_delays(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), email(2, delay_days=1), **always())
    campaigns.enroll(campaign)
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    rows_of(campaigns.db, "update campaigns set status = 'paused' returning id")
    run_days(campaigns, 2)
    assert campaigns.sim.mails == []
    rows_of(campaigns.db, "update campaigns set status = 'active' returning id")
    run_days(campaigns, 2)
    first, second = left_at(campaigns)
    assert second - first >= timedelta(days=1)


def test_errors_of_the_provider_do_not_collapse_a_delay_of_five_minutes(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(campaigns.campaign(email(1), email(2, delay_minutes=5), **always()))
    campaigns.sim.fault("500_before", times=3)
    for _ in range(60):
        campaigns.tick()
        campaigns.wait(minutes=1)
    sent = rows_of(campaigns.db, "select sent_at from campaign_sequence_logs order by step_number")
    assert sent[1]["sent_at"] - sent[0]["sent_at"] >= timedelta(minutes=5)
    assert [status for _, status, _ in campaigns.lines(person)] == ["sent", "sent"]


def test_a_mail_that_leaves_in_time_pushes_no_calendar_along(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(campaigns.campaign(email(1), email(2, delay_days=1)))
    due = campaigns.now
    campaigns.wait(seconds=40)
    campaigns.tick()
    assert place(campaigns, person)["next_step_at"] == due + timedelta(days=1)


def test_the_last_step_completes_the_sequence_when_it_is_settled(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(campaigns.campaign(email(1)))
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    assert (place(campaigns, person)["status"], place(campaigns, person)["next_step_at"]) == ("active", None)
    campaigns.wait(minutes=2)
    campaigns.tick()
    assert (place(campaigns, person)["status"], place(campaigns, person)["completed_at"]) == (
        "completed",
        campaigns.now,
    )


def test_a_reply_stops_the_last_mail_while_it_waits(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), email(2, delay_days=1))
    person = campaigns.enroll(campaign, campaigns.contact("a@example.com"))
    campaigns.tick()
    campaigns.wait(days=1)
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    campaigns.deliver()
    campaigns.reply(campaigns.sim.mail_to("a@example.com"))
    campaigns.wait(minutes=5)
    campaigns.tick()
    assert place(campaigns, person)["status"] == "replied"
    assert campaigns.sim.sends["a@example.com"] == 1


@pytest.mark.parametrize("hold", ["sender", "address"])
def test_a_hold_does_not_hide_from_the_late_policy_how_late_a_step_is(campaigns: CampaignHarness, hold: str) -> None:
    campaign = campaigns.campaign(email(1), step("task", 2), late_policy="skip", **always())
    person = campaigns.enroll(campaign)
    statements = {
        "sender": "update email_identities set paused_at = {} returning id",
        "address": "update organizations set postal_address = {} returning id",
    }
    rows_of(campaigns.db, statements[hold].format("now()" if hold == "sender" else "''"))
    due = campaigns.now
    campaigns.tick()
    held = place(campaigns, person)
    assert (held["due_at"], held["held_for"]) == (due, "sender_paused" if hold == "sender" else "no_postal_address")
    campaigns.wait(hours=6)
    rows_of(campaigns.db, statements[hold].format("null" if hold == "sender" else "'1 Example Street'"))
    campaigns.tick()
    assert campaigns.lines(person)[0] == (1, "skipped", "late")
    line = one(campaigns.db, "select scheduled_at from campaign_sequence_logs where step_number = 1")
    assert line["scheduled_at"] == due


def test_the_account_of_a_step_holds_while_its_mail_is_on_its_way(campaigns: CampaignHarness) -> None:
    campaigns.enroll_many(campaigns.campaign(email(1), email(2)), 30)
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    account = one(campaigns.db, "select * from campaign_step_accounting where step_number = 1")
    assert (account["reached"], account["pending"], account["holds"]) == (30, 30, True)
    campaigns.wait(minutes=2)
    campaigns.tick()
    campaigns.assert_accounts()


def test_a_person_who_is_resumed_while_a_mail_waits_gets_no_step_twice_at_once(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(campaigns.campaign(email(1), email(2, delay_days=1)))
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    pause_enrollment(campaigns.db, person, campaigns.now)
    campaigns.wait(minutes=20)
    campaigns.tick()
    assert campaigns.sim.mails == []
    resume_enrollment(campaigns.db, person, campaigns.now)
    assert place(campaigns, person)["next_step_at"] is None
    campaigns.wait(minutes=20)
    campaigns.tick()
    assert len(campaigns.sim.mails) == 1
    assert place(campaigns, person)["next_step_at"] == campaigns.now + timedelta(days=1)


def always() -> dict[str, Any]:
    """A window that is open all week."""
    return {
        "send_days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "send_window_start": "00:00",
        "send_window_end": "23:59",
        "timezone": "UTC",
    }
