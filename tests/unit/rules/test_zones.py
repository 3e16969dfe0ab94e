"""Names of zones: IANA's are taken, what Windows and people write is understood, and no offset is fixed by accident."""

from datetime import UTC, datetime, timedelta

import pytest
from babel.core import get_global

from crm_relay.notifications.preferences import zone_of_person
from crm_relay.rules.send_windows import SendWindow, next_open, zone_of
from crm_relay.rules.windows_zones import WINDOWS_ZONES
from crm_relay.rules.zones import ABBREVIATIONS, is_zone, problem_of_zone, zone_meant, zone_named
from crm_relay.workflows.definition.schedules import problems_of_schedule

JULY = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_the_names_of_windows_are_those_of_cldr() -> None:
    shipped = {name.lower(): zone for name, zone in get_global("windows_zone_mapping").items()}
    assert shipped == WINDOWS_ZONES
    assert [zone for zone in {*WINDOWS_ZONES.values(), *ABBREVIATIONS.values()} if not is_zone(zone)] == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("EST", "America/New_York"),
        ("est", "America/New_York"),
        ("EDT", "America/New_York"),
        ("PST", "America/Los_Angeles"),
        ("MST", "America/Denver"),
        ("HST", "Pacific/Honolulu"),
        ("Eastern Standard Time", "America/New_York"),
        ("Eastern Daylight Time", "America/New_York"),
        (" eastern  standard time ", "America/New_York"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("India Standard Time", "Asia/Calcutta"),
        ("Europe/Berlin", "Europe/Berlin"),
        ("UTC", "UTC"),
        ("Etc/GMT+5", "Etc/GMT+5"),
        ("IST", None),
        ("Mars Standard Time", None),
        ("", None),
        (None, None),
    ],
)
def test_a_name_means_a_zone(written: str | None, meant: str | None) -> None:
    assert zone_meant(written) == meant
    assert zone_of(written, "Europe/Paris") == (meant or "Europe/Paris")
    assert zone_of_person(written) == (meant or "UTC")


@pytest.mark.parametrize("name", [*ABBREVIATIONS, *WINDOWS_ZONES])
def test_what_is_no_name_of_iana_is_refused_with_the_right_one(name: str) -> None:
    if name == "utc":
        return
    assert not is_zone(name)
    assert problem_of_zone(name) == f"not an IANA time zone: write {zone_meant(name)}"


def test_the_clock_of_an_abbreviation_changes_in_summer() -> None:
    zone = zone_named("EST")
    assert zone is not None
    assert JULY.astimezone(zone).utcoffset() == timedelta(hours=-4)


def test_a_window_that_was_stored_with_such_a_name_is_on_the_clock_of_the_place() -> None:
    stored = SendWindow.of(["wed"], "09:00", "17:00", "EST")
    assert stored.zone == "America/New_York"
    assert next_open(stored, JULY) == datetime(2026, 7, 1, 13, tzinfo=UTC)


def test_a_schedule_says_which_zone_is_meant() -> None:
    assert problems_of_schedule("0 9 * * 1", "Pacific Standard Time") == [
        "zone: not an IANA time zone: write America/Los_Angeles"
    ]
