"""Delays: days on the clock of the window's zone, hours and minutes as they pass."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.decisions import due_after, first_due, window_of
from crm_relay.campaigns.load_campaign import read_campaign
from crm_relay.campaigns.models import Campaign

_STEP: dict[str, Any] = {
    "channel": "task", "delay_days": 0, "delay_hours": 0, "delay_minutes": 0, "subject": None, "body_html": None,
    "body_text": None, "template_subject": None, "template_html": None, "template_text": None,
    "template_variables": None, "skip_conditions": [], "ab_variants": None, "ab_winner": None, "stop_on_reply": True,
    "task_config": None,
}  # fmt: skip


def plan(*delays: dict[str, int], zone: str = "America/New_York", **more: Any) -> Campaign:
    steps = [
        {**_STEP, "id": str(UUID(int=number)), "step_number": number, **delay} for number, delay in enumerate(delays, 1)
    ]
    return read_campaign(
        {
            "id": str(UUID(int=1)), "org_id": str(UUID(int=2)), "name": "Spring", "steps": steps,
            "send_days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "send_window_start": "09:00",
            "send_window_end": "17:00", "timezone": zone, "identity": None, "postal_address": None,
            "use_recipient_timezone": False, "late_policy": "send", "late_minutes": 60, "topic": None, **more,
        }
    )  # fmt: skip


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# New York puts its clocks back on 1 November 2026 and forward on 14 March 2027.
@pytest.mark.parametrize(
    ("done", "days", "due"),
    [
        # 09:00 in summer, 09:00 in winter: 72 hours later it was 08:00, so it was the window's start, by chance right.
        ("2026-10-30T13:00", 3, "2026-11-02T14:00"),
        ("2026-10-30T20:59", 3, "2026-11-02T21:59"),
        # 72 hours after 16:59 in winter it is 17:59 in summer, and a whole send day was lost.
        ("2027-03-12T21:59", 3, "2027-03-15T20:59"),
        ("2027-03-13T21:30", 1, "2027-03-14T20:30"),
    ],
)
def test_days_keep_the_time_of_day_over_a_change_of_the_clocks(done: str, days: int, due: str) -> None:
    campaign = plan({}, {"delay_days": days})
    assert due_after(campaign.steps[0], campaign, window_of(campaign, None), utc(done)) == utc(due)


def test_hours_and_minutes_pass_as_they_do_however_many_there_are() -> None:
    campaign = plan({}, {"delay_hours": 71, "delay_minutes": 30})
    at = due_after(campaign.steps[0], campaign, window_of(campaign, None), utc("2026-10-30T14:30"))
    assert at == utc("2026-11-02T14:00")


def test_the_first_step_counts_its_days_on_the_recipients_clock_where_the_campaign_says_so() -> None:
    campaign = plan({"delay_days": 2}, use_recipient_timezone=True)
    # Friday 16:30 in Berlin, whose clocks go forward on 28 March 2027, two weeks after New York's.
    assert first_due(campaign, "Europe/Berlin", utc("2027-03-26T15:30")) == utc("2027-03-28T14:30")
    assert first_due(campaign, None, utc("2027-03-26T15:30")) == utc("2027-03-28T15:30")


def test_days_that_begin_in_the_hour_that_comes_twice_end_at_the_time_that_it_shows() -> None:
    campaign = plan({}, {"delay_days": 1}, send_window_start="00:00", send_window_end="23:59")
    for first_or_second in ("2026-11-01T05:30", "2026-11-01T06:30"):
        at = due_after(campaign.steps[0], campaign, window_of(campaign, None), utc(first_or_second))
        assert at == utc("2026-11-02T06:30")
