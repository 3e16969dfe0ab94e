"""Who is asked in whose place: deputies of whoever is away, the manager, the owner, and never the requester."""

import random
from itertools import pairwise
from uuid import UUID

import pytest

from crm_relay.workflows.approvals.models import CameBy
from crm_relay.workflows.approvals.people import LONGEST_CHAIN, Colleagues, route, still_stands
from crm_relay.workflows.run_models import Assignee
from tests.support.workflows.approval_board import MONDAY, ApprovalBoard, board, id_of, user

MANAGER, OWNER = {"type": "manager"}, {"type": "owner"}


def came_by(made: ApprovalBoard) -> list[tuple[str, str]]:
    return [(made.name(row.approver_id), row.came_by.value) for row in made.rows if row.is_pending]


def looked(made: ApprovalBoard) -> ApprovalBoard:
    made.look()
    return made


def test_the_one_who_is_meant() -> None:
    assert came_by(looked(board(MANAGER))) == [("max", "self")]


def test_a_deputy_of_whoever_is_away() -> None:
    made = board(MANAGER)
    made.add("dora")
    made.change("max", deputy_id=id_of("dora"))
    made.go_away("max")
    assert came_by(looked(made)) == [("dora", "deputy")]
    assert made.rows[0].stands_for == id_of("max")


def chain_of(made: ApprovalBoard, length: int) -> None:
    """So many deputies behind Max, of whom the last one alone is there."""
    names = ["max", *(f"d{number}" for number in range(1, length + 1))]
    for name in names[1:]:
        made.add(name)
    for name, deputy in pairwise(names):
        made.change(name, deputy_id=id_of(deputy))
        made.go_away(name)


@pytest.mark.parametrize("length", range(1, LONGEST_CHAIN + 1))
def test_a_chain_of_deputies(length: int) -> None:
    made = board(MANAGER)
    chain_of(made, length)
    assert came_by(looked(made)) == [(f"d{length}", "deputy")]


def test_a_chain_that_is_too_long_ends_at_the_manager() -> None:
    made = board(MANAGER)
    chain_of(made, LONGEST_CHAIN + 1)
    assert came_by(looked(made)) == [("ida", "manager")]


@pytest.mark.parametrize("circle", [("max",), ("max", "dora"), ("max", "dora", "emil"), ("max", "d1", "d2", "d3")])
def test_a_circle_of_deputies_ends_at_the_manager(circle: tuple[str, ...]) -> None:
    made = board(MANAGER)
    for name in circle[1:]:
        made.add(name)
    for name, deputy in zip(circle, (*circle[1:], circle[0]), strict=True):
        made.change(name, deputy_id=id_of(deputy))
        made.go_away(name)
    assert came_by(looked(made)) == [("ida", "manager")]


def test_a_deputy_who_left_names_nobody_any_more() -> None:
    made = board(MANAGER)
    made.add("emil")
    made.add("dora", deputy="emil", is_active=False)
    made.change("max", deputy_id=id_of("dora"))
    made.go_away("max")
    assert came_by(looked(made)) == [("ida", "manager")]


def test_somebody_who_left_gives_way_to_their_manager_and_never_to_their_deputy() -> None:
    made = board(MANAGER)
    made.add("dora")
    made.change("max", deputy_id=id_of("dora"), is_active=False)
    assert came_by(looked(made)) == [("ida", "manager")]


def test_somebody_unknown_gives_way_to_the_manager_of_the_owner() -> None:
    assert came_by(looked(board(user("nobody")))) == [("max", "manager")]


def test_behind_the_manager_comes_the_owner() -> None:
    made = board(MANAGER)
    made.add("actor")
    made.actor = "actor"
    for name in ("max", "ida"):
        made.leave(name)
    assert came_by(looked(made)) == [("olga", "owner")]


def test_where_nobody_is_left_there_is_an_incident_until_somebody_is() -> None:
    made = board(MANAGER)
    for name in ("max", "ida"):
        made.leave(name)
    looked_at = made.look()
    assert (made.asked, made.has_incident, looked_at.result["reason"]) == ([], True, "nobody_to_ask")
    made.change("max", is_active=True)
    made.look(minutes=15)
    assert (made.asked, made.has_incident) == (["max"], False)


def test_whoever_is_away_is_asked_all_the_same_where_nobody_is_there_instead() -> None:
    made = board(MANAGER)
    made.leave("ida")
    made.go_away("max")
    made.look()
    assert (made.asked, made.has_incident) == (["max"], True)
    made.come_back("max")
    made.look(minutes=15)
    assert (made.asked, made.has_incident, len(made.rows)) == (["max"], False, 1)


@pytest.mark.parametrize("actor", [None, "olga"])
def test_the_owner_does_not_approve_what_they_asked_for(actor: str | None) -> None:
    made = board(OWNER)
    made.actor = actor
    assert came_by(looked(made)) == [("max", "manager")]


def test_nobody_chooses_by_a_deputy_who_approves_their_own_request() -> None:
    made = board(OWNER)
    made.add("friend")
    made.change("olga", deputy_id=id_of("friend"))
    made.go_away("olga")
    made.leave("max")
    made.leave("ida")
    made.look()
    assert (made.asked, made.has_incident) == ([], True)


def test_a_manager_who_asked_is_passed_over() -> None:
    made = board(MANAGER)
    made.actor = "max"
    assert came_by(looked(made)) == [("ida", "manager")]


def test_a_schedule_asks_for_nobody() -> None:
    made = board(OWNER)
    made.trigger_type = "scheduled"
    assert came_by(looked(made)) == [("olga", "self")]
    assert made.rows[0].requester_id is None


def test_who_asked_stays_who_asked_whoever_owns_the_record_by_now() -> None:
    made = board(MANAGER, user("olga"))
    made.look()
    made.rows[0] = made.rows[0].__class__(**{**vars(made.rows[0]), "status": "approved"})
    made.owner = "ida"
    made.look(hours=1)
    assert made.rows[1].requester_id == id_of("olga")
    assert made.rows[1].approver_id != id_of("olga")


def test_of_a_role_only_those_who_are_there_are_asked() -> None:
    made = board({"type": "role", "role": "finance"})
    for name in ("tom", "eve", "uma"):
        made.add(name, role="finance")
    made.go_away("tom")
    made.leave("uma")
    assert came_by(looked(made)) == [("eve", "self")]


def test_a_role_that_is_away_has_its_deputies() -> None:
    made = board({"type": "role", "role": "finance"})
    made.add("dora")
    made.add("tom", role="finance", deputy="dora")
    made.go_away("tom")
    assert came_by(looked(made)) == [("dora", "deputy")]


def test_a_role_that_nobody_has_gives_way_to_the_manager() -> None:
    assert came_by(looked(board({"type": "role", "role": "finance"}))) == [("max", "manager")]


def test_nobody_decides_in_the_place_of_two() -> None:
    made = board(user("eve"), user("tom"), mode="parallel")
    made.add("eve")
    made.add("tom", deputy="eve", manager="ida")
    made.go_away("tom")
    assert came_by(looked(made)) == [("eve", "self"), ("ida", "manager")]


def test_whoever_is_meant_twice_answers_once() -> None:
    made = board(MANAGER, user("max"), mode="parallel")
    made.look()
    assert [row.entries for row in made.rows] == [(0, 1)]


def test_an_approver_who_leaves_is_replaced() -> None:
    made = board(MANAGER)
    made.look()
    made.leave("max")
    made.look(hours=1)
    assert made.said == [("max", "expired"), ("ida", "pending")]


def test_an_approver_who_goes_away_hands_on_to_their_deputy() -> None:
    made = board(MANAGER)
    made.add("dora")
    made.change("max", deputy_id=id_of("dora"))
    made.look()
    made.go_away("max")
    made.look(hours=1)
    assert made.said == [("max", "delegated"), ("dora", "pending")]
    assert (made.rows[1].follows, made.rows[1].stands_for) == (made.rows[0].id, id_of("max"))


def test_whoever_lost_the_role_is_asked_no_more() -> None:
    made = board({"type": "role", "role": "finance"})
    made.add("tom", role="finance")
    made.look()
    made.change("tom", role="sales")
    made.look(hours=1)
    assert made.said == [("tom", "expired"), ("max", "pending")]


@pytest.mark.parametrize("seed", range(300))
def test_whatever_people_are_to_each_other_nobody_is_asked_who_may_not(seed: int) -> None:
    """The requester never; nobody who left, or of another organization; and whoever is there before whoever is away."""
    chance = random.Random(seed)
    ids = [UUID(int=number) for number in range(1, 9)]
    people = {
        each: Assignee(
            each,
            None,
            manager_id=chance.choice([None, *ids]),
            deputy_id=chance.choice([None, *ids]),
            is_active=chance.random() < 0.7,
            out_until=chance.choice([None, None, MONDAY.replace(year=2030), MONDAY.replace(year=2020)]),
        )
        for each in ids[:7]
    }
    colleagues = Colleagues(people, chance.choice([None, *ids]), chance.choice([None, *ids]), MONDAY)
    taken = frozenset(chance.sample(ids, chance.randint(0, 3)))
    for principal in (*ids, None):
        found = route(principal, colleagues, taken)
        if found is None:
            assert principal == colleagues.requester or colleagues.active(principal) is None
            continue
        assert colleagues.active(found.person) is not None
        assert found.person != colleagues.requester
        assert found.is_there == colleagues.is_there(found.person)
        assert found.came_by is CameBy.SELF or (found.person not in taken and found.is_there)
        assert (found.person == principal) == (found.came_by is CameBy.SELF)
        if principal != colleagues.requester and colleagues.is_there(principal):
            assert found.came_by is CameBy.SELF
        row = board(MANAGER)
        row.look()
        stands = row.rows[0].__class__(
            **{**vars(row.rows[0]), "approver_id": found.person, "stands_for": principal, "came_by": found.came_by,
               "approver_type": "user"}
        )  # fmt: skip
        assert still_stands(stands, colleagues)
