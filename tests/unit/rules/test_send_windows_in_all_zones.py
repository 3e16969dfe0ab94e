"""The rules of send windows in every zone there is, against a clock that is read minute by minute."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm_relay.rules.send_windows import DAYS, SendWindow, add_days, closes_at, is_open, next_open
from crm_relay.rules.zones import is_zone

ZONES = sorted(name for name in available_timezones() if is_zone(name))
MINUTE = timedelta(minutes=1)
LEAST = timedelta(microseconds=1)
FROM, UNTIL = datetime(2024, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
OFTEN_CHANGED = ("America/New_York", "Africa/Casablanca", "Australia/Lord_Howe", "Asia/Gaza", "America/Santiago")

minutes = st.integers(0, 1439).map(lambda minute: time(minute // 60, minute % 60))
instants = st.integers(0, (UNTIL - FROM) // LEAST).map(lambda since: FROM + since * LEAST)
windows = st.builds(
    lambda days, hours, zone: SendWindow(days, hours[0], hours[1], zone),
    st.frozensets(st.sampled_from(DAYS), min_size=1),
    st.tuples(minutes, minutes).filter(lambda hours: hours[0] != hours[1]),
    st.sampled_from(ZONES),
)


def wall_is_inside(window: SendWindow, at: datetime) -> bool:
    """The rule in other words: the days on which a window may have started, and how long ago that was on the clock."""
    wall = at.astimezone(ZoneInfo(window.zone)).replace(tzinfo=None)
    for started in (wall.date(), wall.date() - timedelta(days=1)):
        if DAYS[started.weekday()] in window.days:
            start, end = datetime.combine(started, window.start), datetime.combine(started, window.end)
            if start <= wall < (end if end > start else end + timedelta(days=1)):
                return True
    return False


def minute_by_minute(window: SendWindow, at: datetime) -> datetime:
    if wall_is_inside(window, at):
        return at
    minute = at.replace(second=0, microsecond=0) + MINUTE
    while not wall_is_inside(window, minute):
        minute += MINUTE
    return minute


def changes(zone: str) -> list[datetime]:
    """When the offset of a zone changes, to the minute, from 2024 to 2030."""
    clock, found = ZoneInfo(zone), []
    for day in range((UNTIL - FROM).days):
        midnight = FROM + timedelta(days=day)
        if midnight.astimezone(clock).utcoffset() != (midnight + timedelta(days=1)).astimezone(clock).utcoffset():
            offsets = [(midnight + MINUTE * minute).astimezone(clock) for minute in range(1441)]
            found += [
                after.astimezone(UTC) for before, after in pairwise(offsets) if before.utcoffset() != after.utcoffset()
            ]
    return found


def holds(window: SendWindow, at: datetime) -> None:
    opens = next_open(window, at)
    assert is_open(window, at) is wall_is_inside(window, at)
    assert at <= opens <= at + timedelta(days=14)
    assert wall_is_inside(window, opens)
    assert next_open(window, opens) == opens
    assert opens == at or not wall_is_inside(window, opens - LEAST)
    closes = closes_at(window, opens)
    assert closes > opens
    assert not wall_is_inside(window, closes)
    assert wall_is_inside(window, closes - LEAST)


@settings(max_examples=400, deadline=None)
@given(windows, instants)
def test_an_opening_is_inside_is_its_own_next_opening_and_nothing_just_before_it_is_open(
    window: SendWindow, at: datetime
) -> None:
    holds(window, at)


@settings(max_examples=60, deadline=None)
@given(windows, instants)
@example(
    SendWindow(frozenset({"sun"}), time(2, 15), time(2, 45), "America/New_York"), datetime(2026, 3, 7, 4, tzinfo=UTC)
)
@example(
    SendWindow(frozenset({"sun"}), time(1, 15), time(1, 45), "America/New_York"),
    datetime(2026, 11, 1, 5, 50, tzinfo=UTC),
)
@example(SendWindow(frozenset({"fri"}), time(9), time(17), "Pacific/Apia"), datetime(2011, 12, 29, 10, tzinfo=UTC))
def test_the_next_opening_is_the_one_that_reading_the_clock_every_minute_finds(
    window: SendWindow, at: datetime
) -> None:
    assert next_open(window, at) == minute_by_minute(window, at)


@pytest.mark.parametrize("zone", OFTEN_CHANGED)
def test_around_every_change_of_a_clock_the_next_opening_is_what_the_clock_says(zone: str) -> None:
    seen = changes(zone)
    assert len(seen) >= 12
    for change in seen:
        wall = change.astimezone(ZoneInfo(zone))
        for shift in (-75, -30, -15, 0, 15, 30, 45):
            start = (wall + timedelta(minutes=shift)).time()
            end = (wall + timedelta(minutes=shift + 40)).time()
            window = SendWindow(frozenset(DAYS), start, end, zone)
            for since in (-MINUTE * 130, -MINUTE * 50, -LEAST, timedelta(), MINUTE * 20, MINUTE * 61):
                holds(window, change + since)
                assert next_open(window, change + since) == minute_by_minute(window, change + since)


def test_in_every_zone_the_rules_hold_around_the_days_on_which_clocks_are_changed() -> None:
    assert len(ZONES) > 400
    nightly = (frozenset({"fri", "sat", "sun"}), time(23, 30), time(2, 30))
    early = (frozenset({"sun", "thu"}), time(2), time(3))
    for zone in ZONES:
        for month, day in ((3, 8), (3, 29), (10, 25), (11, 1)):
            for hours in range(-26, 26, 13):
                at = datetime(2026, month, day, tzinfo=UTC) + timedelta(hours=hours, minutes=hours)
                holds(SendWindow(*nightly, zone), at)
                holds(SendWindow(*early, zone), at)


@settings(deadline=None, max_examples=300)
@given(instants, st.integers(1, 400), st.sampled_from(ZONES))
@example(datetime(2026, 10, 29, 20, 59, tzinfo=UTC), 4, "America/New_York")
def test_days_end_at_the_same_time_on_the_clock(at: datetime, days: int, zone: str) -> None:
    clock = ZoneInfo(zone)
    wall = at.astimezone(clock).replace(tzinfo=None) + timedelta(days=days)
    after = add_days(at, days, zone)
    shown = after.astimezone(clock).replace(tzinfo=None)
    if wall == shown:
        same = [wall.replace(tzinfo=clock, fold=fold).astimezone(UTC) for fold in (0, 1)]
        assert after == min(same)
    else:
        # The clock never shows that time: it moves forward by what is left out.
        skipped = wall.replace(tzinfo=clock, fold=0).utcoffset(), wall.replace(tzinfo=clock, fold=1).utcoffset()
        assert shown - wall == abs(skipped[1] - skipped[0])  # type: ignore[operator]


@pytest.mark.parametrize("zone", ZONES)
def test_days_over_each_change_of_a_clock_keep_the_time_or_move_it_forward_by_the_gap(zone: str) -> None:
    clock = ZoneInfo(zone)
    for change in changes(zone)[:8] if zone in OFTEN_CHANGED else ():
        for minutes_before in range(-150, 151, 30):
            target = change + timedelta(minutes=minutes_before)
            for days in (1, 3):
                after = add_days(target - timedelta(days=days), days, zone)
                wall = (target - timedelta(days=days)).astimezone(clock).replace(tzinfo=None) + timedelta(days=days)
                assert timedelta() <= after.astimezone(clock).replace(tzinfo=None) - wall <= timedelta(hours=1)


@given(instants, st.sampled_from(ZONES))
def test_no_days_are_no_time_also_in_an_hour_that_comes_twice(at: datetime, zone: str) -> None:
    assert add_days(at, 0, zone) == at
