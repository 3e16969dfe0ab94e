"""What the database has of a person and category, as a preference."""

from datetime import UTC, datetime, time
from typing import Any

import pytest

from crm_relay.notifications.models import Channel, Frequency, Preference, PreferenceSource
from crm_relay.notifications.preferences import preference_of, reachable, without_digest
from crm_relay.rules.send_windows import DAYS, SendWindow

NOTHING: dict[str, Any] = {
    "source": "built_in",
    "channels": None,
    "frequency": None,
    "digest_time": None,
    "digest_day": None,
    "quiet_hours_enabled": False,
    "quiet_hours_start": None,
    "quiet_hours_end": None,
    "zone": None,
    "dnd_enabled": False,
    "dnd_until": None,
    "email_unsubscribed": False,
    "email": None,
    "phone": None,
    "slack_webhook_id": None,
    "is_slack_own": False,
}


def test_who_has_chosen_nothing_is_told_at_once_in_the_application_and_by_mail() -> None:
    found = preference_of(NOTHING)
    assert found == Preference()
    assert found.channels == {Channel.IN_APP, Channel.EMAIL}
    assert (found.frequency, found.digest_time, found.digest_day) == (Frequency.IMMEDIATE, time(9), "mon")


def test_every_column_of_a_preference_acts() -> None:
    until = datetime(2026, 11, 18, tzinfo=UTC)
    found = preference_of(
        NOTHING
        | {
            "source": "person",
            "channels": ["slack", "sms"],
            "frequency": "weekly_digest",
            "digest_time": "07:30:00",
            "digest_day": "friday",
            "quiet_hours_enabled": True,
            "quiet_hours_start": "20:00:00",
            "quiet_hours_end": "06:00:00",
            "zone": "Asia/Tokyo",
            "dnd_enabled": True,
            "dnd_until": until,
            "email_unsubscribed": True,
        }
    )
    assert found == Preference(
        frozenset({Channel.SLACK, Channel.SMS}),
        Frequency.WEEKLY_DIGEST,
        time(7, 30),
        "fri",
        SendWindow(frozenset(DAYS), time(20), time(6), "Asia/Tokyo"),
        True,
        until,
        True,
        "Asia/Tokyo",
        PreferenceSource.PERSON,
    )


def test_no_channel_at_all_is_a_choice() -> None:
    assert preference_of(NOTHING | {"source": "person", "channels": []}).channels == frozenset()


def test_the_same_start_and_end_are_never_quiet() -> None:
    same = {"quiet_hours_enabled": True, "quiet_hours_start": "08:00:00", "quiet_hours_end": "08:00:00"}
    assert preference_of(NOTHING | same).quiet_hours is None


def test_midnight_may_be_written_at_either_end_of_a_day() -> None:
    night = {"quiet_hours_enabled": True, "quiet_hours_start": "24:00:00", "quiet_hours_end": "08:00:00"}
    window = preference_of(NOTHING | night).quiet_hours
    assert window is not None
    assert (window.start, window.end) == (time(), time(8))


def test_quiet_hours_without_times_are_those_of_the_night() -> None:
    window = preference_of(NOTHING | {"quiet_hours_enabled": True}).quiet_hours
    assert window is not None
    assert (window.start, window.end) == (time(22), time(8))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "posix/Europe/Berlin", "EST5EDT4,M3.2.0,M11.1.0", None])
def test_a_zone_that_cannot_be_read_is_utc(zone: str | None) -> None:
    assert preference_of(NOTHING | {"zone": zone}).zone == "UTC"


def test_a_channel_needs_an_address() -> None:
    assert reachable(NOTHING) == {Channel.IN_APP, Channel.PUSH}
    known = NOTHING | {"email": "ada@example.com", "phone": "+1 555 010 0000", "slack_webhook_id": "x"}
    assert reachable(known) == frozenset(Channel)
    assert reachable(NOTHING | {"email": "two@example.com, three@example.com", "phone": "none"}) == reachable(NOTHING)


def test_only_a_channel_of_ones_own_gathers() -> None:
    assert without_digest(NOTHING | {"is_slack_own": True}) == {Channel.SMS}
    assert without_digest(NOTHING) == {Channel.SMS, Channel.SLACK}
