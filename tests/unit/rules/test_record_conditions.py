"""What a condition reads, when groups hold, and how each answer is explained."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_relay.rules.operators import OPERATORS
from crm_relay.rules.record_conditions import (
    REDACTED,
    ConditionGroup,
    ConditionSubject,
    RecordCondition,
    RecordFacts,
    ask,
    conditions_in,
    redact,
)

OWNER = UUID("7d2f6f0e-2f5c-4f7a-9d75-1c2f3f4a5b6c")
FACTS = RecordFacts(
    record={
        "value": Decimal("2500.00"),
        "stage": "won",
        "owner_id": OWNER,
        "extra": {"tier": {"name": "gold"}},
        "tags": ["VIP"],
    },
    contact={"email": "ada@example.org", "title": None},
    account={"name": "Acme"},
    owner={"name": "Grace", "is_active": True},
)
GROUPS: st.SearchStrategy[ConditionGroup] = st.recursive(
    st.builds(ConditionGroup, st.sampled_from(["all", "any"]), st.just(())),
    lambda inner: st.builds(
        ConditionGroup,
        st.sampled_from(["all", "any"]),
        st.lists(
            inner | st.sampled_from([RecordCondition("a", "eq", 1), RecordCondition("a", "eq", 2)]), max_size=4
        ).map(tuple),
    ),
    max_leaves=12,
)


@dataclass(frozen=True)
class EventOfRecord:
    changed: Mapping[str, tuple[object, object]] = field(default_factory=dict)
    payload: Mapping[str, object] = field(default_factory=dict)


CHANGED = EventOfRecord(changed={"stage": ("offer", "won"), "extra": ({"tier": 1}, {"tier": 2})})
NAMED = EventOfRecord(payload={"form": {"name": "demo"}, "stage": "sent"})


@pytest.mark.parametrize(
    ("name", "event", "value"),
    [
        ("stage", None, "won"),
        ("record.stage", None, "won"),
        ("deal.stage", None, "won"),
        ("record.extra.tier.name", None, "gold"),
        ("contact.email", None, "ada@example.org"),
        ("account.name", None, "Acme"),
        ("owner.name", None, "Grace"),
        ("event.stage", CHANGED, "won"),
        ("event.old.stage", CHANGED, "offer"),
        ("event.extra.tier", CHANGED, 2),
        ("event.old.extra.tier", CHANGED, 1),
        ("event.stage", NAMED, "sent"),
        ("event.form.name", NAMED, "demo"),
        ("event.old.stage", NAMED, None),
        ("event.stage", None, None),
        ("event.old.stage", None, None),
        ("event.value", CHANGED, None),
        ("nothing", None, None),
        ("record.nothing.at.all", None, None),
        ("record.stage.x", None, None),
        ("contact.title", None, None),
        ("job.title", None, None),
        ("record", None, None),
    ],
)
def test_a_name_is_read_where_it_says_and_is_null_where_there_is_nothing(
    name: str, event: EventOfRecord | None, value: object
) -> None:
    assert ConditionSubject("deal", FACTS, event).value_of(name) == value


def test_everything_is_null_where_there_is_no_record_nor_anything_that_hangs_on_it() -> None:
    nobody = ConditionSubject("deal", RecordFacts(record=None))
    for name in ("value", "record.value", "deal.value", "contact.email", "account.name", "owner.name", "event.value"):
        assert ask(RecordCondition(name, "is_null"), nobody).holds


def test_the_record_of_a_contact_workflow_is_the_contact_itself() -> None:
    facts = RecordFacts(record={"email": "own@example.org"}, contact={"email": "other@example.org"})
    assert ConditionSubject("contact", facts).value_of("contact.email") == "own@example.org"


@pytest.mark.parametrize(
    ("field", "operator", "wanted", "holds"),
    [
        ("stage", "eq", "won", True),
        ("stage", "eq", "Won", False),
        ("owner_id", "eq", str(OWNER), True),
        ("owner_id", "eq", str(OWNER).upper(), True),
        ("owner.is_active", "eq", True, True),
        ("stage", "neq", "lost", True),
        ("value", "gt", 2499.99, True),
        ("value", "gt", "2500", False),
        ("value", "gte", "2500", True),
        ("value", "lt", 2500.01, True),
        ("value", "lte", 2499, False),
        ("account.name", "contains", "ACM", True),
        ("tags", "contains", "vip", True),
        ("account.name", "not_contains", "corp", True),
        ("tags", "not_contains", "vip", False),
        ("contact.title", "is_null", None, True),
        ("contact.email", "is_null", None, False),
        ("contact.email", "is_not_null", None, True),
        ("missing", "is_not_null", None, False),
    ],
)
def test_each_operator_by_name(field: str, operator: str, wanted: object, holds: bool) -> None:
    answer = ask(RecordCondition(field, operator, wanted), ConditionSubject("deal", FACTS))
    assert answer.holds is holds
    assert answer.comparisons[0].holds is holds


def test_the_table_of_operators_is_covered_whole() -> None:
    mark = next(mark for mark in test_each_operator_by_name.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
    assert {row[1] for row in mark.args[1]} == OPERATORS


def test_an_empty_all_holds_an_empty_any_does_not_and_no_conditions_hold() -> None:
    subject = ConditionSubject("deal", FACTS)
    assert ask(None, subject).holds
    assert ask(ConditionGroup("all"), subject).holds
    assert not ask(ConditionGroup("any"), subject).holds
    assert ask(None, subject).comparisons == ()


@given(GROUPS)
@settings(max_examples=200, deadline=None)
def test_groups_hold_as_all_and_any_do_however_they_are_nested(group: ConditionGroup) -> None:
    def wanted(part: ConditionGroup | RecordCondition) -> bool:
        if isinstance(part, RecordCondition):
            return part.value == 1
        return (all if part.kind == "all" else any)(wanted(inner) for inner in part.parts)

    answer = ask(group, ConditionSubject("deal", RecordFacts({"a": 1})))
    assert answer.holds is wanted(group)
    assert [one.wanted for one in answer.comparisons] == [one.value for one in conditions_in(group)]
    assert all(one.holds is (one.wanted == 1) for one in answer.comparisons)


def test_the_explanation_has_every_comparison_with_both_values_its_place_and_its_verdict() -> None:
    group = ConditionGroup(
        "all",
        (
            RecordCondition("value", "gte", 10_000),
            ConditionGroup(
                "any", (RecordCondition("stage", "eq", "won"), RecordCondition("event.old.stage", "eq", "new"))
            ),
        ),
    )
    answer = ask(group, ConditionSubject("deal", FACTS, CHANGED))
    assert not answer.holds
    assert answer.as_json() == [
        {"at": "all.0", "field": "value", "operator": "gte", "wanted": 10_000, "actual": "2500.00", "holds": False},
        {"at": "all.1.any.0", "field": "stage", "operator": "eq", "wanted": "won", "actual": "won", "holds": True},
        {
            "at": "all.1.any.1", "field": "event.old.stage", "operator": "eq",
            "wanted": "new", "actual": "offer", "holds": False,
        },
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (OWNER, str(OWNER)),
        (Decimal("1.10"), "1.10"),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (True, True),
        (date(2026, 11, 30), "2026-11-30"),
        (datetime(2026, 11, 30, 12, tzinfo=UTC), "2026-11-30T12:00:00+00:00"),
        ("x" * 1000, "x" * 200),
        (["x" * 1000, 1], ["x" * 200, 1]),
        (list(range(100)), list(range(20))),
        ({"a": {"b": {"c": {"d": 1}}}}, {"a": {"b": {"c": "dict"}}}),
        ({str(number): number for number in range(100)}, {str(number): number for number in range(20)}),
        ([[[[1]]]], [[["list"]]]),
        (object(), "object"),
    ],
)
def test_an_explanation_is_json_whatever_the_record_holds(value: object, shown: object) -> None:
    explained = ask(RecordCondition("x", "eq", 1), ConditionSubject("deal", RecordFacts({"x": value}))).as_json()
    assert json.loads(json.dumps(explained, allow_nan=False))[0]["actual"] == shown


def test_a_redacted_explanation_keeps_what_was_asked_and_nothing_of_the_person() -> None:
    group = ConditionGroup(
        "all", (RecordCondition("contact.email", "is_not_null"), RecordCondition("contact.title", "is_null"))
    )
    explained: list[dict[str, Any]] = ask(group, ConditionSubject("deal", FACTS)).as_json()
    redacted = redact(explained)
    assert "ada@" not in json.dumps(redacted)
    assert [entry["actual"] for entry in redacted] == [REDACTED, None]
    assert [entry | {"actual": None} for entry in redacted] == [entry | {"actual": None} for entry in explained]
