"""Sequence, parallel and quorum, in every order in which three people can answer, against what the words mean."""

from dataclasses import replace
from itertools import permutations, product

import pytest

from crm_relay.workflows.approvals.models import ApprovalAction
from tests.support.workflows.approval_board import ApprovalBoard, board, id_of, user

NAMES = ("eve", "tom", "uma")
YES, NO = ApprovalAction.APPROVE, ApprovalAction.REJECT
ORDERS = [(order, answers) for order in permutations(NAMES) for answers in product((YES, NO), repeat=len(NAMES))]


def three(mode: str, quorum: int | None = None) -> ApprovalBoard:
    made = board(*map(user, NAMES), mode=mode, quorum=quorum)
    for name in NAMES:
        made.add(name)
    made.look()
    return made


def play(made: ApprovalBoard, order: tuple[str, ...], answers: tuple[ApprovalAction, ...]) -> str | None:
    """Each answers once they are asked, in this order; nobody is asked or can answer behind the end."""
    waiting = list(zip(order, answers, strict=True))
    while waiting and made.outcome is None:
        turn = next((each for each in waiting if each[0] in made.asked), None)
        if turn is None:
            break
        waiting.remove(turn)
        assert made.answer(*turn).refusal is None
        made.look(minutes=1)
    if made.outcome is not None:
        assert made.asked == []
        for name, answer in waiting:
            if any(made.name(row.approver_id) == name for row in made.rows):
                assert made.judged(name, answer).is_known
    return made.outcome


@pytest.mark.parametrize(("order", "answers"), ORDERS)
def test_a_sequence_is_approved_by_all_in_turn(order: tuple[str, ...], answers: tuple[ApprovalAction, ...]) -> None:
    said = dict(zip(order, answers, strict=True))
    made = three("sequence")
    assert play(made, order, answers) == ("approved" if set(answers) == {YES} else "rejected")
    first_no = next((place for place, name in enumerate(NAMES) if said[name] is NO), len(NAMES) - 1)
    assert [name for name, _ in made.said] == list(NAMES[: first_no + 1])


@pytest.mark.parametrize(("order", "answers"), ORDERS)
def test_everybody_at_once_is_approved_by_all(order: tuple[str, ...], answers: tuple[ApprovalAction, ...]) -> None:
    made = three("parallel")
    assert play(made, order, answers) == ("approved" if set(answers) == {YES} else "rejected")
    first_no = next((place for place, answer in enumerate(answers) if answer is NO), len(NAMES) - 1)
    assert sum(status in {"approved", "rejected"} for _, status in made.said) == first_no + 1


@pytest.mark.parametrize("quorum", [1, 2, 3])
@pytest.mark.parametrize(("order", "answers"), ORDERS)
def test_a_quorum_is_reached_or_cannot_be_any_more(
    order: tuple[str, ...], answers: tuple[ApprovalAction, ...], quorum: int
) -> None:
    made = three("parallel", quorum)
    outcome = play(made, order, answers)
    yes = 0
    for place, answer in enumerate(answers):
        yes += answer is YES
        if yes >= quorum or yes + len(NAMES) - place - 1 < quorum:
            break
    assert outcome == ("approved" if yes >= quorum else "rejected")
    assert sum(status in {"approved", "rejected"} for _, status in made.said) == place + 1


def test_a_quorum_of_a_role_that_is_too_small_waits_for_more_people() -> None:
    made = board({"type": "role", "role": "board"}, mode="parallel", quorum=2)
    made.add("eve", role="board")
    made.look()
    assert (made.asked, made.has_incident) == (["eve"], True)
    made.add("tom", role="board")
    made.look(minutes=15)
    assert (made.asked, made.has_incident) == (["eve", "tom"], False)
    for name in ("eve", "tom"):
        made.answer(name, YES)
    made.look()
    assert made.outcome == "approved"


def test_what_was_handed_on_still_counts_for_a_quorum() -> None:
    made = three("parallel", 3)
    made.add("dora")
    assert made.answer("eve", ApprovalAction.DELEGATE, to="dora").refusal is None
    made.answer("tom", YES)
    made.answer("uma", YES)
    made.look()
    assert (made.outcome, made.asked) == (None, ["dora"])
    made.answer("dora", YES)
    made.look()
    assert made.outcome == "approved"


def test_a_delegate_who_left_before_they_were_asked_gives_it_back() -> None:
    made = three("parallel", 2)
    made.add("dora")
    made.answer("eve", ApprovalAction.DELEGATE, to="dora")
    made.leave("dora")
    made.look()
    assert made.said[0] == ("eve", "expired")
    assert made.asked == ["eve", "tom", "uma"]


def test_whoever_answered_for_one_place_of_the_list_answers_for_the_other() -> None:
    made = board({"type": "manager"}, user("eve"), mode="parallel")
    made.add("eve")
    made.look()
    made.answer("eve", YES)
    made.change("olga", manager_id=made.row_of("eve").approver_id)
    made.look(hours=1)
    assert made.said == [("max", "expired"), ("eve", "approved")]
    assert made.row_of("eve").entries == (0, 1)
    made.look(hours=1)
    assert made.outcome == "approved"


def test_a_delegate_who_is_asked_for_another_place_answers_for_both() -> None:
    made = board({"type": "manager"}, user("eve"), mode="parallel")
    made.add("eve")
    made.add("tom")
    made.look()
    made.answer("max", ApprovalAction.DELEGATE, to="tom")
    made.rows[1] = replace(made.rows[1], status="delegated", delegated_to=id_of("tom"))
    made.look()
    assert made.asked == ["tom"]
    made.answer("tom", YES)
    made.look()
    assert made.outcome == "approved"
