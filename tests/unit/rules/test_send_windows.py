"""When mail may leave, and what happens where clocks are put forward or back."""

from datetime import UTC, datetime, time, timedelta

import pytest

from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.send_windows import SendWindow, closes_at, is_open, next_open, zone_of
from crm_relay.rules.zones import is_zone

WORK_DAYS = ("mon", "tue", "wed", "thu", "fri")
EVERY_DAY = (*WORK_DAYS, "sat", "sun")


def window(start: str, end: str, zone: str, days: tuple[str, ...] = EVERY_DAY) -> SendWindow:
    return SendWindow.of(days, start, end, zone)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


OFFICE = window("09:00", "17:00", "America/New_York", WORK_DAYS)


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-11-20T13:59:59", "2026-11-20T14:00:00"),
        ("2026-11-20T14:00:00", "2026-11-20T14:00:00"),
        ("2026-11-20T21:59:59.999999", "2026-11-20T21:59:59.999999"),
        ("2026-11-20T22:00:00", "2026-11-23T14:00:00"),
        ("2026-11-21T15:00:00", "2026-11-23T14:00:00"),
    ],
)
def test_office_hours_begin_on_time_end_before_their_end_and_leave_out_the_weekend(at: str, opens: str) -> None:
    assert next_open(OFFICE, utc(at)) == utc(opens)
    assert is_open(OFFICE, utc(at)) is (utc(at) == utc(opens))


def test_an_instant_may_be_written_with_any_offset_and_is_answered_in_utc() -> None:
    at = datetime.fromisoformat("2026-11-20T08:00:00-05:00")
    assert next_open(OFFICE, at) == utc("2026-11-20T14:00:00")
    assert next_open(OFFICE, at).tzinfo is UTC
    with pytest.raises(ValueError, match="offset"):
        is_open(OFFICE, utc("2026-11-20T14:00").replace(tzinfo=None))


@pytest.mark.parametrize(
    ("at", "is_inside"),
    [
        ("2026-11-20T21:59", False),
        ("2026-11-20T22:00", True),
        ("2026-11-21T01:59", True),
        ("2026-11-21T02:00", False),
        ("2026-11-21T22:00", False),
        ("2026-11-20T01:00", False),
    ],
)
def test_a_window_past_midnight_belongs_to_the_day_on_which_it_starts(at: str, is_inside: bool) -> None:
    assert is_open(window("22:00", "02:00", "UTC", ("fri",)), utc(at)) is is_inside


def test_a_window_past_midnight_opens_and_closes_once_a_night() -> None:
    nightly = window("22:00", "02:00", "UTC", ("fri", "sat"))
    assert next_open(nightly, utc("2026-11-20T12:00")) == utc("2026-11-20T22:00")
    assert closes_at(nightly, utc("2026-11-20T22:00")) == utc("2026-11-21T02:00")
    assert next_open(nightly, utc("2026-11-22T02:00")) == utc("2026-11-27T22:00")


def test_a_window_until_midnight_closes_at_midnight() -> None:
    evening = window("18:00", "00:00", "UTC", ("fri",))
    assert closes_at(evening, utc("2026-11-20T23:59")) == utc("2026-11-21T00:00")
    assert not is_open(evening, utc("2026-11-21T00:00"))


# New York: 8 March 2026 02:00 -> 03:00 (07:00 UTC), 1 November 2026 02:00 -> 01:00 (06:00 UTC); both are Sundays.
@pytest.mark.parametrize(
    ("hours", "at", "opens"),
    [
        (("02:30", "05:00"), "2026-03-08T05:00", "2026-03-08T07:00"),
        (("02:15", "02:45"), "2026-03-08T05:00", "2026-03-15T06:15"),
        (("01:30", "02:30"), "2026-03-08T06:59", "2026-03-08T06:59"),
        (("01:30", "02:30"), "2026-03-08T07:00", "2026-03-15T05:30"),
        (("01:15", "01:45"), "2026-11-01T05:00", "2026-11-01T05:15"),
        (("01:15", "01:45"), "2026-11-01T05:45", "2026-11-01T06:15"),
        (("01:15", "01:45"), "2026-11-01T06:45", "2026-11-08T06:15"),
        (("00:30", "01:30"), "2026-11-01T05:30", "2026-11-01T06:00"),
        (("01:30", "03:00"), "2026-11-01T06:00", "2026-11-01T06:30"),
    ],
)
def test_a_left_out_hour_is_never_inside_and_a_repeated_one_is_inside_twice(
    hours: tuple[str, str], at: str, opens: str
) -> None:
    assert next_open(window(*hours, "America/New_York", ("sun",)), utc(at)) == utc(opens)


@pytest.mark.parametrize(
    ("hours", "at", "closes"),
    [
        (("01:30", "02:30"), "2026-03-08T06:45", "2026-03-08T07:00"),
        (("01:15", "01:45"), "2026-11-01T05:20", "2026-11-01T05:45"),
        (("01:15", "01:45"), "2026-11-01T06:15", "2026-11-01T06:45"),
        (("01:30", "03:00"), "2026-11-01T05:40", "2026-11-01T06:00"),
        (("00:30", "02:00"), "2026-11-01T05:40", "2026-11-01T07:00"),
        (("09:00", "17:00"), "2026-11-01T00:00", "2026-11-01T00:00"),
    ],
)
def test_a_window_closes_where_its_end_is_left_out_or_its_start_comes_again(
    hours: tuple[str, str], at: str, closes: str
) -> None:
    assert closes_at(window(*hours, "America/New_York", ("sun",)), utc(at)) == utc(closes)


@pytest.mark.parametrize(
    ("zone", "days", "hours", "at", "opens"),
    [
        # 30 December 2011, a Friday, was left out; so was Saturday 21 August 1993 (both jumped over the date line).
        ("Pacific/Apia", ("fri",), ("09:00", "17:00"), "2011-12-29T22:00", "2012-01-05T19:00"),
        ("Pacific/Apia", ("fri",), ("22:00", "02:00"), "2011-12-29T22:00", "2011-12-30T10:00"),
        ("Pacific/Apia", EVERY_DAY, ("09:00", "17:00"), "2011-12-30T05:00", "2011-12-30T19:00"),
        ("Kwajalein", ("sat",), ("09:00", "17:00"), "1993-08-21T00:00", "1993-08-27T21:00"),
        # Half an hour back on 5 April 2026 (15:00 UTC) and forward on 4 October 2026 (15:30 UTC).
        ("Australia/Lord_Howe", ("sun",), ("01:45", "01:50"), "2026-04-04T14:50", "2026-04-04T15:15"),
        ("Australia/Lord_Howe", ("sun",), ("02:10", "02:20"), "2026-10-03T15:00", "2026-10-10T15:10"),
        ("Australia/Lord_Howe", ("sun",), ("02:10", "02:40"), "2026-10-03T15:00", "2026-10-03T15:30"),
        # Midnight itself is left out: 6 September 2026, 00:00 -> 01:00.
        ("America/Santiago", ("sun",), ("00:00", "00:45"), "2026-09-06T03:00", "2026-09-13T03:00"),
        ("America/Santiago", ("sun",), ("00:00", "02:00"), "2026-09-06T03:00", "2026-09-06T04:00"),
        ("America/Santiago", ("sat",), ("23:00", "00:30"), "2026-09-06T03:30", "2026-09-06T03:30"),
        ("Asia/Kathmandu", EVERY_DAY, ("09:00", "17:00"), "2026-11-20T00:00", "2026-11-20T03:15"),
    ],
)
def test_zones_that_skip_days_midnights_or_half_hours(
    zone: str, days: tuple[str, ...], hours: tuple[str, str], at: str, opens: str
) -> None:
    assert next_open(window(*hours, zone, days), utc(at)) == utc(opens)


@pytest.mark.parametrize(
    ("days", "start", "end", "zone", "named"),
    [
        ((), "09:00", "17:00", "UTC", "days"),
        (("monday",), "09:00", "17:00", "UTC", "days"),
        (("mon",), "09:00", "09:00", "UTC", "start and end"),
        (("mon",), "9", "17:00", "UTC", "hours"),
        (("mon",), "25:00", "17:00", "UTC", "hours"),
        (("mon",), "09:00+01:00", "17:00", "UTC", "offset"),
        (("mon",), "09:00", "17:00", "Mars/Olympus", "zone"),
        (("mon",), "09:00", "17:00", "", "zone"),
    ],
)
def test_what_is_no_window_is_refused_by_the_name_of_its_field(
    days: tuple[str, ...], start: str, end: str, zone: str, named: str
) -> None:
    with pytest.raises(RejectedInput) as refused:
        SendWindow.of(days, start, end, zone)
    assert named in refused.value.message


@pytest.mark.parametrize(
    "name",
    [
        "America",
        "../etc/passwd",
        "/etc/localtime",
        "right/Europe/Paris",
        "localtime",
        "Factory",
        "a\0b",
        "x" * 5000,
        None,
    ],
)
def test_what_lies_beside_the_zones_is_no_zone(name: str | None) -> None:
    assert not is_zone(name)


def test_the_recipients_own_zone_counts_where_it_is_one() -> None:
    assert zone_of(" Asia/Tokyo ", "America/New_York") == "Asia/Tokyo"
    assert {zone_of(other, "Europe/Paris") for other in (None, "", " ", "JST+9 Tokyo")} == {"Europe/Paris"}
    tokyo = OFFICE.in_zone("Asia/Tokyo")
    assert next_open(tokyo, utc("2026-11-20T12:00")) == utc("2026-11-23T00:00")
    assert OFFICE.in_zone(OFFICE.zone) is OFFICE


def test_a_window_comes_back_from_json_as_it_was() -> None:
    stored = OFFICE.to_json()
    assert stored == {"days": list(WORK_DAYS), "start": "09:00:00", "end": "17:00:00", "zone": "America/New_York"}
    assert SendWindow.from_json(stored) == OFFICE
    assert SendWindow.of(["MON "], time(9), time(17), "UTC").days == {"mon"}


def test_the_next_opening_is_never_more_than_two_weeks_away() -> None:
    latest = window("09:00", "17:00", "Pacific/Apia", ("fri",))
    after_closing = utc("2011-12-24T03:00")
    wait = next_open(latest, after_closing) - after_closing
    assert timedelta(days=12) < wait < timedelta(days=14)
