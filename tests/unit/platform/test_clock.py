"""A clock that is in step with another one."""

from datetime import UTC, datetime, timedelta

import pytest

from crm_relay.platform.clock import Deadline, clock_in_step

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize("wrong_by", [timedelta(hours=1), timedelta(0), timedelta(days=-3)])
def test_a_clock_in_step_shows_the_other_ones_time_and_goes_on_by_its_own(wrong_by: timedelta) -> None:
    passed = [timedelta(0)]

    def own() -> datetime:
        passed[0] += timedelta(seconds=1)
        return NOON + wrong_by + passed[0]

    asked = []

    def there() -> datetime:
        asked.append(NOON)
        return NOON + passed[0]

    clock = clock_in_step(there, own)
    before = clock()
    passed[0] += timedelta(hours=2)
    assert clock() - before == timedelta(hours=2, seconds=1)
    assert abs(clock() - (NOON + passed[0])) <= timedelta(seconds=1)
    assert len(asked) == 1


def test_a_share_of_a_deadline_leaves_the_rest_and_is_never_too_small() -> None:
    whole = Deadline.after(100)
    assert 45 < whole.share(0.5, least=20).seconds_left <= 50
    assert 15 < whole.share(0.1, least=20).seconds_left <= 20
    assert Deadline.after(5).share(0.5, least=20).seconds_left <= 5
