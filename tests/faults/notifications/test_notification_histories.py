"""Random requests, preferences, clock jumps, kills and two workers: everybody hears once, or there is a reason."""

from random import Random

import pytest

from tests.support.notifications.notification_harness import NotificationHarness
from tests.support.notifications.notification_history import RandomHistory
from tests.support.notifications.sound_notifications import SETTLED

STEPS = 60


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.timeout(300)
def test_everybody_hears_once_or_there_is_a_reason(crew: NotificationHarness, seed: int) -> None:
    _live(crew, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 160))
def test_everybody_hears_once_in_many_more_histories(crew: NotificationHarness, seed: int) -> None:
    _live(crew, seed)


def _live(crew: NotificationHarness, seed: int) -> None:
    history = RandomHistory(crew, Random(seed))
    history.begin()
    history.live(STEPS)
    history.end()
    left = crew.rows("select channel, state, reason from notification_deliveries")
    assert [row for row in left if row["state"] not in SETTLED] == []
    assert {row["state"] for row in left} >= {"sent", "skipped"}
