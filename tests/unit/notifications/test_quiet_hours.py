"""Quiet hours and digest times by the clock on the wall, in every zone and through every change of it."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from crm_relay.notifications.decisions import decide, digest_leaves_at, next_full_hour
from crm_relay.notifications.models import Channel, Frequency, Notice, Preference, Urgency, Verdict
from crm_relay.rules.send_windows import DAYS, SendWindow, next_time
from crm_relay.rules.zones import is_zone

ZONES = sorted(zone for zone in available_timezones() if is_zone(zone))
NIGHT = (time(22), time(8))
HOUR = timedelta(hours=1)


def quiet(zone: str, start: time = NIGHT[0], end: time = NIGHT[1]) -> Preference:
    return Preference(quiet_hours=SendWindow(frozenset(DAYS), start, end, zone), zone=zone)


def is_quiet(preference: Preference, at: datetime) -> bool:
    (decision,) = decide(Notice((Channel.EMAIL,), Urgency.NORMAL, at), preference, at)
    return decision.verdict is Verdict.HOLD


def changes(zone: str) -> list[datetime]:
    """The first instant with another offset, of each change from 2024 to 2030; to the hour."""
    clock, found = ZoneInfo(zone), []
    at, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    day = timedelta(days=1)
    while at < end:
        if at.astimezone(clock).utcoffset() != (at + day).astimezone(clock).utcoffset():
            hour = next(
                at + number * HOUR
                for number in range(25)
                if (at + number * HOUR).astimezone(clock).utcoffset() != at.astimezone(clock).utcoffset()
            )
            found.append(hour)
        at += day
    return found


def test_the_hour_after_midnight_belongs_to_the_night() -> None:
    preference = quiet("Europe/Berlin")
    for minute in range(60):
        assert is_quiet(preference, datetime(2026, 11, 18, 23, minute, tzinfo=UTC)), minute
    assert not is_quiet(preference, datetime(2026, 11, 18, 20, 59, tzinfo=UTC))
    assert is_quiet(preference, datetime(2026, 11, 18, 21, 0, tzinfo=UTC))
    assert is_quiet(preference, datetime(2026, 11, 19, 6, 59, tzinfo=UTC))
    assert not is_quiet(preference, datetime(2026, 11, 19, 7, 0, tzinfo=UTC))


@pytest.mark.parametrize("share", range(8))
def test_the_wall_clock_decides_in_every_zone_around_every_change(share: int) -> None:
    """Every quarter of an hour from six hours before a change to six hours behind it."""
    looked_at = 0
    for zone in ZONES[share::8]:
        clock, preference = ZoneInfo(zone), quiet(zone)
        moments = changes(zone) or [datetime(2026, 11, 18, 23, tzinfo=UTC)]
        for change in moments:
            for quarter in range(-24, 25):
                at = change + quarter * timedelta(minutes=15)
                wall = at.astimezone(clock).time()
                expected = wall >= NIGHT[0] or wall < NIGHT[1]
                assert is_quiet(preference, at) is expected, (zone, at)
                looked_at += 1
    assert looked_at > 1000


@pytest.mark.parametrize(
    "zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Cairo"]
)
def test_a_mail_that_is_held_leaves_at_the_first_moment_that_is_not_quiet(zone: str) -> None:
    preference = quiet(zone)
    for change in changes(zone) or [datetime(2026, 11, 18, 20, tzinfo=UTC)]:
        for hours in range(-12, 12):
            at = change + hours * HOUR
            (decision,) = decide(Notice((Channel.EMAIL,), Urgency.NORMAL, at), preference, at)
            if decision.verdict is Verdict.HOLD:
                assert decision.not_before is not None
                assert not is_quiet(preference, decision.not_before)
                assert is_quiet(preference, decision.not_before - timedelta(seconds=1))


@pytest.mark.parametrize("zone", ZONES[::7])
def test_a_daily_digest_leaves_once_a_day_at_its_time(zone: str) -> None:
    preference = Preference(frequency=Frequency.DAILY_DIGEST, digest_time=time(9), zone=zone)
    at = datetime(2025, 12, 31, 12, tzinfo=UTC)
    days: list[date] = []
    while at < datetime(2027, 1, 2, tzinfo=UTC):
        following = digest_leaves_at(preference, at)
        assert following is not None
        assert following > at
        wall = following.astimezone(ZoneInfo(zone))
        assert wall.time() == time(9), (zone, following)
        days.append(wall.date())
        at = following
    assert days == [days[0] + timedelta(days=number) for number in range(len(days))]


def test_a_time_that_the_clock_leaves_out_moves_forward_and_one_that_comes_twice_is_the_first() -> None:
    spring = next_time(DAYS, time(2, 30), "Europe/Berlin", datetime(2026, 3, 29, 0, tzinfo=UTC))
    assert spring == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert spring.astimezone(ZoneInfo("Europe/Berlin")).time() == time(3, 30)
    autumn = next_time(DAYS, time(2, 30), "Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC))
    assert autumn == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert next_time(DAYS, time(2, 30), "Europe/Berlin", autumn) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_a_weekly_digest_leaves_on_its_day() -> None:
    preference = Preference(frequency=Frequency.WEEKLY_DIGEST, digest_day="fri", digest_time=time(17, 45))
    leaves_at = digest_leaves_at(preference, datetime(2026, 11, 18, 15, tzinfo=UTC))
    assert leaves_at == datetime(2026, 11, 20, 17, 45, tzinfo=UTC)
    assert digest_leaves_at(preference, leaves_at) == leaves_at + timedelta(days=7)


@pytest.mark.parametrize(("zone", "minute"), [("UTC", 0), ("Asia/Kolkata", 30), ("Asia/Kathmandu", 15)])
def test_a_full_hour_is_one_of_the_persons_clock(zone: str, minute: int) -> None:
    for seconds in (0, 1, 1799, 1800, 3599):
        at = datetime(2026, 11, 18, 15, tzinfo=UTC) + timedelta(seconds=seconds)
        following = next_full_hour(zone, at)
        assert following.minute == minute
        assert timedelta() < following - at <= HOUR
