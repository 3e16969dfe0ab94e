"""What a step may look at before it is done, and when a condition holds."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.conditions import (
    CONTACT_FIELDS,
    ENROLLMENT_FIELDS,
    SkipCondition,
    first_true,
    problems_of_condition,
    read_conditions,
)
from crm_relay.rules.operators import OPERATORS, compare

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["1", "1.0", " "])
)
ANYTHING = SCALARS | st.datetimes() | st.dates() | st.lists(SCALARS, max_size=3)
OPPOSITES = [("eq", "neq"), ("contains", "not_contains"), ("is_null", "is_not_null")]


def holds(actual: Any, operator: str, wanted: Any = None) -> bool:
    """Of the person's title, which stands for any field."""
    return SkipCondition("contact.title", operator, wanted).holds({}, {"title": actual})


@pytest.mark.parametrize(
    ("actual", "operator", "wanted", "answer"),
    [
        (3, "eq", 3, True),
        (3, "eq", 3.0, True),
        (3, "eq", "3", True),
        ("3.50", "eq", 3.5, True),
        ("CEO", "eq", "CEO", True),
        ("CEO", "eq", "ceo", False),
        (True, "eq", True, True),
        (True, "eq", 1, False),
        (1, "eq", True, False),
        ("CEO", "eq", 3, False),
        ("CEO", "neq", 3, True),
        ("CEO", "neq", "CEO", False),
        (10, "gt", 9, True),
        ("10", "gt", "9", True),
        (9, "gt", 9, False),
        (9, "gte", 9, True),
        (8, "lt", "9", True),
        (9, "lt", 9, False),
        (9, "lte", 9, True),
        (0.1, "lt", "0.10000000000000001", True),
        ("1e3", "gt", 1, False),
        (float("nan"), "gte", 0, False),
        (float("inf"), "gt", 0, False),
        ("Chief Engineer", "contains", "ENGINEER", True),
        ("Straße", "contains", "STRASSE", True),
        ("Chief", "contains", "engineer", False),
        ("Chief", "not_contains", "engineer", True),
        (["VIP", "new"], "contains", "vip", True),
        (["VIP", "new"], "contains", "v", False),
        ([1, 2], "contains", "2", True),
        (12, "contains", "1", False),
    ],
)
def test_values_are_compared_by_what_they_are(actual: object, operator: str, wanted: object, answer: bool) -> None:
    assert holds(actual, operator, wanted) is answer


@pytest.mark.parametrize("nothing", [None, "", "  \t"])
def test_null_and_blank_text_are_one_and_below_and_above_nothing(nothing: str | None) -> None:
    assert holds(nothing, "is_null")
    assert not holds(nothing, "is_not_null")
    assert holds(nothing, "eq", "")
    assert holds(nothing, "eq", None)
    assert holds(nothing, "neq", "CEO")
    assert holds(nothing, "not_contains", "x")
    assert not any(holds(nothing, operator, 0) for operator in ("eq", "gt", "gte", "lt", "lte", "contains"))
    assert holds(0, "is_not_null")
    assert not holds("x", "eq", None)


@pytest.mark.parametrize("operator", ["gt", "gte", "lt", "lte"])
@pytest.mark.parametrize(
    ("actual", "wanted"), [("CEO", 3), (3, "CEO"), ("a", "b"), ([1], 1), (True, 0), (datetime.now, 1)]
)
def test_what_has_no_order_does_not_hold_either_way(operator: str, actual: object, wanted: Any) -> None:
    assert not holds(actual, operator, wanted)


def test_points_in_time_are_compared_as_such_from_a_column_or_from_json() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    for actual in (noon, "2026-11-20T12:00:00+00:00", "2026-11-20T13:00:00+01:00", "2026-11-20 12:00"):
        assert holds(actual, "gt", "2026-11-20")
        assert holds(actual, "lt", "2026-11-20T12:00:01Z")
        assert holds(actual, "eq", "2026-11-20T12:00:00Z")
        assert not holds(actual, "gt", "yesterday")
    assert holds(date(2026, 11, 20), "lte", "2026-11-20")


def test_every_field_that_may_be_named_is_read_from_its_own_side() -> None:
    for name in ENROLLMENT_FIELDS:
        assert SkipCondition(name, "eq", "x").holds({name: "x"}, {})
    for name in CONTACT_FIELDS:
        assert SkipCondition(f"contact.{name}", "eq", "x").holds({name: "y"}, {name: "x"})
    assert SkipCondition("contact.company", "eq", "Acme").holds({}, {"company_name": "Acme"})
    assert SkipCondition("emails_opened", "is_null").holds({}, {})


def test_the_first_condition_that_holds_is_the_reason_and_says_nothing_about_the_person() -> None:
    conditions = read_conditions(
        [
            {"field": "emails_opened", "operator": "gt", "value": 5},
            {"field": "contact.title", "operator": "contains", "value": "engineer"},
            {"field": "contact.last_name", "operator": "is_not_null"},
        ]
    )
    person = {"title": "Chief Engineer", "last_name": "Kowalski"}
    assert first_true(conditions, {"emails_opened": 1}, person) == "condition: contact.title contains"
    assert first_true(conditions, {"emails_opened": 6}, person) == "condition: emails_opened gt"
    assert first_true(conditions, {"emails_opened": 1}, {}) is None
    assert first_true((), {}, person) is None


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ({"field": "password", "operator": "eq", "value": 1}, "password"),
        ({"field": "contact.owner_id", "operator": "eq", "value": 1}, "contact.owner_id"),
        ({"field": "email", "operator": "eq", "value": "a"}, "email"),
        ({"field": "contact.status.x", "operator": "eq", "value": "a"}, "contact.status.x"),
        ({"field": "status", "operator": "like", "value": "a"}, "like"),
        ({"field": "status", "operator": "gt"}, "gt"),
        ({"field": "status", "operator": "contains", "value": " "}, "contains"),
        ({"field": "status", "operator": "eq", "value": ["a"]}, "value"),
        ({"field": "status"}, "operator"),
        ({"operator": "eq"}, "field"),
        ({"field": ["status"], "operator": {}}, "field"),
    ],
)
def test_a_condition_that_could_never_be_asked_is_refused_when_it_is_saved(
    condition: dict[str, Any], named: str
) -> None:
    assert named in " ".join(problems_of_condition(condition))
    with pytest.raises(RejectedInput) as refused:
        read_conditions([condition])
    assert named in refused.value.message


@pytest.mark.parametrize("stored", [{}, "status", 1, ["status"], [None]])
def test_what_is_no_list_of_conditions_is_refused(stored: object) -> None:
    with pytest.raises(RejectedInput, match="list"):
        read_conditions(stored)
    assert read_conditions(None) == read_conditions([]) == ()


@given(ANYTHING, st.sampled_from(sorted(OPERATORS)), SCALARS)
@settings(max_examples=300, deadline=None)
def test_no_value_whatever_stops_the_engine(actual: object, operator: str, wanted: Any) -> None:
    if problems_of_condition({"field": "contact.title", "operator": operator, "value": wanted}):
        return
    assert holds(actual, operator, wanted) in {True, False}


@given(ANYTHING, SCALARS, st.sampled_from(OPPOSITES))
@settings(max_examples=200, deadline=None)
def test_each_negation_holds_exactly_where_its_opposite_does_not(
    actual: object, wanted: Any, pair: tuple[str, str]
) -> None:
    if pair[0] == "contains" and (wanted is None or (isinstance(wanted, str) and not wanted.strip())):
        return
    assert holds(actual, pair[0], wanted) is not holds(actual, pair[1], wanted)


def test_an_integer_of_any_length_is_a_number() -> None:
    many = 10**5000
    assert compare(many, "gt", "9")
    assert compare(many + 1, "neq", many)
    assert not compare(many, "lt", 1.5)
