"""Reminders, escalation and expiry, on the clock of people also where it is put forward or back."""

from datetime import UTC, datetime, timedelta

import pytest

from crm_relay.workflows.approvals.models import ApprovalAction
from tests.support.workflows.approval_board import ApprovalBoard, board, id_of, user

MANAGER = {"type": "manager"}
BERLIN = "Europe/Berlin"
SPRING = datetime(2027, 3, 27, 9, tzinfo=UTC)
"""Ten o'clock in Berlin on the day before the clock is put forward."""

AUTUMN = datetime(2027, 10, 30, 8, tzinfo=UTC)
"""Ten o'clock in Berlin on the day before it is put back."""


def at(begin: datetime, **config: object) -> ApprovalBoard:
    made = board(MANAGER, **config)
    made.zone, made.now = BERLIN, begin
    made.look()
    return made


@pytest.mark.parametrize(("begin", "day"), [(SPRING, 23), (AUTUMN, 25)])
def test_a_day_is_a_day_of_the_owner_also_where_it_has_another_length(begin: datetime, day: int) -> None:
    made = at(begin, remind="+1d", due="+2d", expires="+3d")
    (row,) = made.rows
    assert row.remind_at == begin + timedelta(hours=day)
    assert row.due_at == begin + timedelta(hours=day + 24)
    assert row.expires_at == begin + timedelta(hours=day + 48)


@pytest.mark.parametrize(("begin", "day"), [(SPRING, 23), (AUTUMN, 25)])
def test_each_of_them_happens_at_its_moment_and_once(begin: datetime, day: int) -> None:
    made = at(begin, remind="+1d", due="+2d", expires="+3d")
    happened: list[tuple[float, str]] = []
    looks = 0
    while made.outcome is None:
        looked = made.look()
        looks += 1
        for name, title in made.titles[len(happened) + 1 :]:
            happened.append(((made.now - begin) / timedelta(hours=1), f"{name}: {title}"))
        if looked.outcome is None:
            assert looked.look_at > made.now
            made.now = looked.look_at
    assert happened == [
        (day, "max: Reminder: approval needed for Deal won"),
        (day + 24, "max: Overdue: approval needed for Deal won"),
    ]
    assert (made.outcome, (made.now - begin) / timedelta(hours=1)) == ("expired", day + 48)
    assert made.said == [("max", "expired")]
    assert looks < 100


def test_the_step_has_a_zone_of_its_own() -> None:
    made = board(MANAGER, due="+1d", zone="America/New_York")
    made.zone, made.now = BERLIN, SPRING
    made.look()
    assert made.rows[0].due_at == SPRING + timedelta(hours=24)


def test_business_days_pass_over_a_weekend() -> None:
    made = board(MANAGER, due="+1 business day")
    made.now = datetime(2026, 11, 20, 9, tzinfo=UTC)
    made.look()
    assert made.rows[0].due_at == datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.mark.parametrize("clock", ["before", "after"])
def test_a_decision_counts_although_its_time_is_up_when_it_is_looked_at(clock: str) -> None:
    made = board(MANAGER, expires="+1d")
    made.look()
    if clock == "before":
        made.answer("max", ApprovalAction.APPROVE)
        made.look(days=2)
        assert made.outcome == "approved"
    else:
        made.now += timedelta(days=2)
        judged = made.answer("max", ApprovalAction.APPROVE)
        assert judged.refusal is not None
        assert (judged.refusal.status, judged.wakes_run) == (409, True)
        made.look()
        assert made.outcome == "expired"


def test_what_is_overdue_goes_to_the_manager_once() -> None:
    made = board(MANAGER, due="+1d", escalateTo="manager")
    made.look()
    made.look(days=1)
    assert made.said == [("max", "escalated"), ("ida", "pending")]
    assert made.titles[-1] == ("ida", "asked")
    made.look(days=1)
    assert made.said == [("max", "escalated"), ("ida", "pending")]
    assert made.titles[-1] == ("ida", "Overdue: approval needed for Deal won")
    assert made.judged("max", ApprovalAction.APPROVE).is_known
    made.answer("ida", ApprovalAction.APPROVE)
    made.look()
    assert made.outcome == "approved"


@pytest.mark.parametrize(("to", "asked"), [("owner", "olga"), (str(id_of("eve")), "eve"), (str(id_of("tom")), "olga")])
def test_it_goes_to_the_owner_or_to_whom_the_step_names(to: str, asked: str) -> None:
    made = board(MANAGER, due="+1d", escalateTo=to)
    made.add("eve")
    made.add("tom", is_active=False)
    made.add("actor")
    made.actor = "actor"
    made.look()
    made.look(days=1)
    assert made.asked == [asked]


def test_nothing_is_escalated_to_the_requester() -> None:
    made = board(MANAGER, due="+1d", escalateTo="owner")
    made.leave("ida")
    made.look()
    made.look(days=1)
    assert made.said == [("max", "pending")]
    assert made.titles[-1] == ("max", "Overdue: approval needed for Deal won")


def test_each_stage_of_a_sequence_has_its_own_time() -> None:
    made = board(MANAGER, user("eve"), due="+2d", expires="+9d")
    made.add("eve")
    made.look()
    made.now += timedelta(days=1)
    made.answer("max", ApprovalAction.APPROVE)
    made.look()
    first, second = made.rows
    assert first.due_at is not None
    assert second.due_at == first.due_at + timedelta(days=1)
    assert second.expires_at == first.expires_at


def test_an_instant_and_a_variable_are_times_too() -> None:
    made = board(MANAGER, due="2026-11-20T12:00:00Z", remind="{{event.x}}")
    made.look()
    assert (made.rows[0].due_at, made.rows[0].remind_at) == (datetime(2026, 11, 20, 12, tzinfo=UTC), None)


def test_what_is_due_when_it_is_asked_for_is_reminded_of_at_the_next_look() -> None:
    made = board(MANAGER, due="2026-11-01")
    looked = made.look()
    assert (looked.look_at, len(made.notices)) == (made.now, 1)
    assert made.look().look_at > made.now
    assert made.titles[-1][1] == "Overdue: approval needed for Deal won"
