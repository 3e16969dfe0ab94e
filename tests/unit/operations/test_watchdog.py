"""Which silence is too long."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from crm_relay.operations.watchdog import PAUSE, WATCHDOG, decide_silence
from watchdog.settings import Settings

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LIMITS = {"hourly": timedelta(minutes=150), "nightly": timedelta(hours=50)}


def ago(**units: float) -> datetime:
    return NOW - timedelta(**units)


def test_a_schedule_is_overdue_once_it_was_silent_for_longer_than_its_limit() -> None:
    looked = {WATCHDOG: ago(minutes=5), "hourly": ago(minutes=150), "nightly": ago(hours=51)}
    assert decide_silence(looked, LIMITS, NOW).overdue == {"nightly": timedelta(hours=51)}


def test_a_schedule_that_was_never_seen_is_waited_for_from_now_on() -> None:
    decision = decide_silence({WATCHDOG: ago(minutes=5), "hourly": NOW}, LIMITS, NOW)
    assert (decision.overdue, decision.begin) == ({}, ("nightly",))


def test_after_a_pause_of_the_watchdog_waiting_begins_anew() -> None:
    stale = dict.fromkeys(LIMITS, ago(days=9))
    for last_look in ({}, {WATCHDOG: NOW - PAUSE - timedelta(seconds=1)}):
        decision = decide_silence(stale | last_look, LIMITS, NOW)
        assert (decision.overdue, decision.begin) == ({}, ("hourly", "nightly"))
    assert decide_silence(stale | {WATCHDOG: NOW - PAUSE}, LIMITS, NOW).overdue.keys() == LIMITS.keys()


def test_a_schedule_of_a_room_that_was_left_out_since_is_forgotten() -> None:
    looked = {WATCHDOG: NOW, "hourly": NOW, "nightly": NOW, "of another room": ago(days=9)}
    decision = decide_silence(looked, LIMITS, NOW)
    assert (decision.overdue, decision.gone) == ({}, ("of another room",))


def test_limits_are_read_from_a_list() -> None:
    given = {"coordination_table": "t", "watched_schedules": "a.b=15, c.d=3000", "dead_letter_queue_urls": "x,y"}
    settings = Settings.model_validate(given)
    assert settings.watched_schedules == {"a.b": timedelta(minutes=15), "c.d": timedelta(minutes=3000)}
    assert settings.dead_letter_queue_urls == ("x", "y")
    with pytest.raises(ValidationError, match="name=minutes"):
        Settings.model_validate(given | {"watched_schedules": "a.b"})
