"""Whose word counts: never the requester's, never a stranger's, never twice; by whatever way it comes."""

from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from crm_relay.workflows.approvals.deciding.decisions import (
    MOST_DELEGATIONS,
    Decision,
    DecisionFacts,
    JudgedDecision,
    judge,
)
from crm_relay.workflows.approvals.models import ApprovalAction, Way
from crm_relay.workflows.approvals.people import Colleagues
from tests.support.workflows.approval_board import ApprovalBoard, board, id_of, user

MANAGER = {"type": "manager"}
YES, NO, ON = ApprovalAction.APPROVE, ApprovalAction.REJECT, ApprovalAction.DELEGATE


@pytest.fixture
def made() -> ApprovalBoard:
    """Max is asked; Olga asked for it; Eve and Tom have nothing to do with it."""
    found = board(MANAGER)
    found.add("eve")
    found.add("tom")
    found.look()
    return found


def status(judged: JudgedDecision) -> int | None:
    return None if judged.refusal is None else judged.refusal.status


@pytest.mark.parametrize("action", ApprovalAction)
@pytest.mark.parametrize("way", [Way.API, Way.PAGE, Way.CLI])
@pytest.mark.parametrize(("name", "refused"), [("olga", 403), ("eve", 403), ("ida", 403), ("nobody", 403)])
def test_nobody_but_the_approver(
    made: ApprovalBoard, action: ApprovalAction, way: Way, name: str, refused: int
) -> None:
    assert status(made.judged("max", action, by=name, way=way, to="tom")) == refused


@pytest.mark.parametrize("way", [Way.API, Way.PAGE, Way.CLI])
def test_nobody_who_is_known(made: ApprovalBoard, way: Way) -> None:
    row = made.row_of("max")
    facts = DecisionFacts(row, (), Colleagues(made.people, None, row.requester_id, made.now), "running", made.now)
    assert status(judge(Decision(YES, way), facts)) == 403
    assert judge(Decision(YES, Way.LINK), facts) != judge(Decision(YES, way), facts)


@pytest.mark.parametrize("first", [YES, NO])
@pytest.mark.parametrize("second", ApprovalAction)
def test_a_second_answer_changes_nothing(made: ApprovalBoard, first: ApprovalAction, second: ApprovalAction) -> None:
    assert made.answer("max", first) == JudgedDecision()
    assert made.judged("max", second, to="tom") == JudgedDecision(is_known=True)


@pytest.mark.parametrize("way", [Way.API, Way.PAGE, Way.CLI])
def test_the_requester_hears_why(made: ApprovalBoard, way: Way) -> None:
    refusal = made.judged("max", YES, by="olga", way=way).refusal
    assert refusal is not None
    assert refusal.message == "nobody approves their own request"


def test_a_stranger_does_not_hear_what_was_decided(made: ApprovalBoard) -> None:
    made.answer("max", YES)
    assert status(made.judged("max", NO, by="eve")) == 403


@pytest.mark.parametrize("run", ["pending", "completed", "cancelled", "failed"])
def test_a_run_that_is_over_needs_no_approval(made: ApprovalBoard, run: str) -> None:
    row = made.row_of("max")
    colleagues = Colleagues(made.people, id_of("olga"), row.requester_id, made.now)
    assert status(judge(Decision(YES, Way.LINK), DecisionFacts(row, (), colleagues, run, made.now))) == 409
    assert status(judge(Decision(YES, Way.LINK), DecisionFacts(row, (), colleagues, "paused", made.now))) is None


def test_rights_are_asked_again(made: ApprovalBoard) -> None:
    made.change("olga", manager_id=id_of("eve"))
    judged = made.judged("max", YES)
    assert (status(judged), judged.wakes_run) == (403, True)
    made.look()
    assert made.asked == ["eve"]


def test_a_deputy_who_is_one_no_more_has_no_right(made: ApprovalBoard) -> None:
    made.change("max", deputy_id=id_of("eve"))
    made.go_away("max")
    made.look(hours=1)
    assert made.judged("eve", YES) == JudgedDecision()
    made.change("max", deputy_id=id_of("tom"))
    assert status(made.judged("eve", YES)) == 403
    made.look()
    assert made.asked == ["tom"]


def test_an_approver_who_left_has_no_right(made: ApprovalBoard) -> None:
    made.leave("max")
    judged = made.judged("max", YES)
    assert (status(judged), judged.wakes_run) == (403, True)


def test_somebody_of_another_organization_has_no_right(made: ApprovalBoard) -> None:
    del made.people[id_of("max")]
    assert status(made.judged("max", YES)) == 403


@pytest.mark.parametrize(
    ("to", "refused"), [(None, 422), ("max", 422), ("nobody", 422), ("olga", 403), ("eve", None), ("ida", None)]
)
def test_it_is_handed_on_to_an_active_colleague_who_did_not_ask_for_it(
    made: ApprovalBoard, to: str | None, refused: int | None
) -> None:
    assert status(made.judged("max", ON, to=to)) == refused


def test_it_is_not_handed_back_nor_on_for_ever(made: ApprovalBoard) -> None:
    names = ["max", "eve", "tom", *(f"p{number}" for number in range(MOST_DELEGATIONS))]
    for name in names[3:]:
        made.add(name)
    for name, following in pairwise(names[: MOST_DELEGATIONS + 1]):
        assert made.answer(name, ON, to=following) == JudgedDecision()
        made.look()
        assert made.asked == [following]
    last = names[MOST_DELEGATIONS]
    assert status(made.judged(last, ON, to="ida")) == 409
    assert status(made.judged(last, ON, to="max")) == 409
    assert made.answer(last, YES) == JudgedDecision()
    made.look()
    assert made.outcome == "approved"


def test_it_is_not_handed_on_to_somebody_who_is_asked_already() -> None:
    made = board(MANAGER, user("eve"), mode="parallel")
    made.add("eve")
    made.look()
    assert status(made.judged("max", ON, to="eve")) == 409


def test_the_time_of_an_approval_is_asked_again() -> None:
    made = board(MANAGER, expires="+1d")
    made.look()
    made.now += timedelta(days=1)
    assert status(made.judged("max", YES)) == 409


def test_a_link_is_its_approvers_whoever_opens_it(made: ApprovalBoard) -> None:
    assert made.judged("max", YES, by="eve", way=Way.LINK) == JudgedDecision()
    row = made.row_of("max")
    own = row.__class__(**{**vars(row), "requester_id": row.approver_id})
    colleagues = Colleagues(made.people, UUID(int=9), row.approver_id, made.now)
    assert status(judge(Decision(YES, Way.LINK), DecisionFacts(own, (), colleagues, "running", made.now))) == 403
