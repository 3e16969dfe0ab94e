"""When schedules fire, and what the local scheduler does with them."""

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.aws.scheduler import Scheduler
from local.template.schedules import next_firing
from local.template.template import SamTemplate

ROOT = Path(__file__).parents[3]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "timezone", "after", "expected"),
    [
        ("rate(15 minutes)", "UTC", "2026-11-20T12:00:30", "2026-11-20T12:15:30"),
        ("rate(1 day)", "Europe/Berlin", "2026-03-28T12:00:00", "2026-03-29T12:00:00"),
        ("cron(0 2 * * ? *)", "UTC", "2026-11-20T02:00:00", "2026-11-21T02:00:00"),
        ("cron(0 2 * * ? *)", "Australia/Sydney", "2026-11-20T12:00:00", "2026-11-20T15:00:00"),
        ("cron(0/15 * * * ? *)", "UTC", "2026-11-20T12:16:00", "2026-11-20T12:30:00"),
        ("cron(30 9 ? * MON-FRI *)", "UTC", "2026-11-20T10:00:00", "2026-11-23T09:30:00"),
        ("cron(0 0 1 JAN,JUL ? *)", "UTC", "2026-11-20T10:00:00", "2027-01-01T00:00:00"),
        ("cron(0 0 29 2 ? *)", "UTC", "2026-11-20T10:00:00", "2028-02-29T00:00:00"),
    ],
)
def test_the_next_firing_is(expression: str, timezone: str, after: str, expected: str) -> None:
    assert next_firing(expression, timezone, at(after)) == at(expected)


def test_a_local_time_that_summer_time_skips_does_not_fire() -> None:
    assert next_firing("cron(30 2 * * ? *)", "Europe/Berlin", at("2026-03-28T12:00:00")) == at("2026-03-30T00:30:00")


def test_a_local_time_that_occurs_twice_fires_once() -> None:
    first = next_firing("cron(30 2 * * ? *)", "Europe/Berlin", at("2026-10-24T12:00:00"))
    assert first == at("2026-10-25T00:30:00")
    assert next_firing("cron(30 2 * * ? *)", "Europe/Berlin", first) == at("2026-10-26T01:30:00")


def test_a_year_that_is_over_never_fires() -> None:
    assert next_firing("cron(0 0 1 1 ? 2020)", "UTC", at("2026-11-20T10:00:00")) is None


@pytest.mark.parametrize(
    "expression",
    [
        "every day",
        "rate(five minutes)",
        "cron(0 2 * * *)",
        "cron(0 2 * * * *)",
        "cron(0 2 L * ? *)",
        "cron(61 2 * * ? *)",
    ],
)
def test_what_is_not_understood_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"cron|rate"):
        next_firing(expression, "UTC", at("2026-11-20T10:00:00"))


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),  # noqa: DTZ001 - made aware below
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]),
)
def test_firings_of_a_nightly_schedule_move_forward_by_about_a_day(start: datetime, zone: str) -> None:
    firings = [start.replace(tzinfo=UTC)]
    for _ in range(5):
        following = next_firing("cron(0 4 * * ? *)", zone, firings[-1])
        assert following
        firings.append(following)
    gaps = [(later - earlier).total_seconds() / 3600 for earlier, later in pairwise(firings[1:])]
    assert all(22.9 < gap < 25.1 for gap in gaps)


def test_a_round_runs_every_schedule_once_with_its_input() -> None:
    called: list[tuple[str, Any]] = []
    scheduler = Scheduler(
        SamTemplate.read(ROOT / "template.yaml"), lambda name, event: called.append((name, dict(event)))
    )
    scheduler.run_round()
    assert ("mautic_sync", {"schedule": "mautic_sync.EveryQuarterHour"}) in called
    assert ("mautic_sync", {"schedule": "mautic_sync.EveryNight", "full": True}) in called


def test_schedules_that_are_switched_off_do_not_run() -> None:
    template = SamTemplate.read(ROOT / "template.yaml", {"ScheduleState": "DISABLED"})
    assert Scheduler(template, lambda *_: None).run_round() == []


def test_the_background_scheduler_stops_at_once() -> None:
    scheduler = Scheduler(SamTemplate.read(ROOT / "template.yaml"), lambda *_: None)
    scheduler.start()
    scheduler.stop()
    scheduler.stop()
