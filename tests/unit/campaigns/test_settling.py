"""What the fate of pending steps means for an enrollment, whatever the order in which fates come; pure."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import uuid4

import pytest

from crm_relay.campaigns.engine.settle import writes
from crm_relay.campaigns.models import StepDelay
from crm_relay.campaigns.settling import EnrollmentPlace, LineSettled, PendingLine, after_settling
from crm_relay.mail.models import Fate, Settled
from crm_relay.rules.send_windows import SendWindow

NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
WINDOW = SendWindow.of(["mon", "tue", "wed", "thu", "fri"], "09:00", "17:00", "America/New_York")
SENT = LineSettled("sent")


def pending(number: int) -> PendingLine:
    return PendingLine(uuid4(), number, "email", "pending", None, NOW)


def place(*, lines: int, following: StepDelay | None) -> EnrollmentPlace:
    return EnrollmentPlace("active", 2, None, 0, lines, following, WINDOW)


@pytest.mark.parametrize("order", list(permutations([1, 2])))
def test_the_last_pending_step_to_be_settled_brings_the_next_one_whichever_it_is(order: tuple[int, int]) -> None:
    """Two are on their way at once where a version before queued them."""
    first, last = map(pending, order)
    waits = after_settling(place(lines=2, following=StepDelay(1)), [(first, SENT)], NOW)
    assert (waits.status, waits.next_step_at) == ("active", None)
    goes_on = after_settling(place(lines=1, following=StepDelay(1)), [(last, SENT)], NOW)
    assert (goes_on.status, goes_on.next_step_at) == ("active", NOW + timedelta(days=1))
    ends = after_settling(place(lines=1, following=None), [(last, SENT)], NOW)
    assert (ends.status, ends.completed) == ("completed", True)


def test_an_old_step_moves_nobody_who_has_a_time() -> None:
    waiting = EnrollmentPlace("active", 2, NOW + timedelta(hours=1), 0, 1, StepDelay(1), WINDOW)
    assert after_settling(waiting, [(pending(1), SENT)], NOW).next_step_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize("window", [True, False])
@pytest.mark.parametrize("column", ["delay_days", "delay_hours", "delay_minutes"])
def test_a_delay_of_millennia_stops_nobody_elses_settling(column: str, *, window: bool) -> None:
    settled = Settled(uuid4(), Fate.SENT, None, "campaign_enrollment", uuid4(), uuid4())
    following = {"delay_days": 0, "delay_hours": 0, "delay_minutes": 0} | {column: 2**31 - 1}
    place = {
        "send_days": ["mon"] if window else [], "send_window_start": "09:00", "send_window_end": "17:00",
        "timezone": "UTC", "use_recipient_timezone": False, "following": following,
    }  # fmt: skip
    row = {
        "enrollment_id": settled.entity_id, "sequence_id": settled.sequence_id, "line_id": uuid4(), "step_number": 1,
        "channel": "email", "line_status": "pending", "reason": None, "scheduled_at": NOW, "status": "active",
        "current_step": 1, "next_step_at": None, "error_count": 0, "pending": 1, "campaign_id": uuid4(),
        "recipient_zone": None, "place": place,
    }  # fmt: skip
    assert len(writes([(settled, SENT)], [row], NOW)) == 2
