"""A program is stored and read back without a difference, and what cannot be read is named."""

import json
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_relay.platform.errors import FatalError
from crm_relay.workflows.definition.program_json import program_from_json, program_to_json
from crm_relay.workflows.models import (
    ConditionGroup,
    EffectBudget,
    EntityType,
    Program,
    RecordCondition,
    ReEntry,
    StepKind,
    Trigger,
    TriggerKind,
    WorkflowSettings,
    WorkflowStep,
)
from tests.support.hostile_text import STORABLE_TEXT

COUNTS = st.integers(0, 10_000)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | STORABLE_TEXT
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STORABLE_TEXT, inner, max_size=3)
)
CONDITIONS = st.builds(RecordCondition, STORABLE_TEXT, st.sampled_from(["eq", "is_null", "contains"]), SCALARS)
GROUPS = st.recursive(
    st.builds(ConditionGroup, st.sampled_from(["all", "any"]), st.lists(CONDITIONS, max_size=3).map(tuple)),
    lambda inner: st.builds(
        ConditionGroup, st.sampled_from(["all", "any"]), st.lists(CONDITIONS | inner, max_size=3).map(tuple)
    ),
    max_leaves=5,
)
TRIGGERS = st.builds(
    Trigger,
    st.sampled_from(TriggerKind),
    column=st.none() | STORABLE_TEXT,
    was=st.none() | STORABLE_TEXT,
    becomes=st.none() | STORABLE_TEXT,
    cron=st.none() | STORABLE_TEXT,
    zone=STORABLE_TEXT,
    records=st.none() | GROUPS,
    event=st.none() | STORABLE_TEXT,
)
STEPS = st.builds(
    WorkflowStep,
    STORABLE_TEXT,
    st.sampled_from(StepKind),
    st.dictionaries(STORABLE_TEXT, JSON, max_size=4),
    name=st.none() | STORABLE_TEXT,
    next=st.none() | COUNTS,
    otherwise=st.none() | COUNTS,
    ask_again=st.none() | GROUPS,
    goes_on_after_failure=st.booleans(),
    conditions=st.none() | GROUPS,
    branches=st.booleans(),
)
BUDGETS = st.builds(EffectBudget, st.none() | COUNTS, st.none() | COUNTS)
SETTINGS = st.builds(
    WorkflowSettings,
    st.sampled_from(ReEntry),
    st.none() | st.timedeltas(timedelta(0), timedelta(days=36500)),
    COUNTS,
    BUDGETS,
    st.frozensets(STORABLE_TEXT, max_size=3),
    COUNTS,
    COUNTS,
    COUNTS,
    st.none() | STORABLE_TEXT,
)
PROGRAMS = st.builds(
    Program,
    st.sampled_from(EntityType),
    st.lists(TRIGGERS, max_size=3).map(tuple),
    st.lists(STEPS, max_size=3).map(tuple),
    conditions=st.none() | GROUPS,
    settings=SETTINGS,
    initial_state=st.none() | st.uuids(),
)


@given(PROGRAMS)
@settings(max_examples=150, deadline=None)
def test_a_program_comes_back_from_json_as_it_was_written(program: Program) -> None:
    assert program_from_json(json.loads(json.dumps(program_to_json(program), allow_nan=False))) == program


def test_every_field_is_written_also_where_it_has_its_default() -> None:
    written = program_to_json(
        Program(EntityType.DEAL, (Trigger(TriggerKind.MANUAL),), (WorkflowStep("0", StepKind.WAIT),))
    )
    for model, part in (
        (Program, written),
        (WorkflowSettings, written["settings"]),
        (Trigger, written["triggers"][0]),
        (WorkflowStep, written["steps"][0]),
    ):
        assert set(part) == {each.name for each in fields(model)}


def test_a_field_of_another_version_is_a_default_or_left_out() -> None:
    program = Program(EntityType.DEAL, (Trigger(TriggerKind.MANUAL),), (WorkflowStep("0", StepKind.WAIT),))
    stored = program_to_json(program)
    del stored["settings"]["max_steps"], stored["steps"][0]["ask_again"]
    stored["added_later"] = stored["triggers"][0]["added_later"] = 1
    assert program_from_json(stored) == program


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"entity_type": "planet"}, "entity_type"), ({"steps": [{"key": "0", "kind": "secret word"}]}, "steps.0.kind")],
)
def test_what_is_no_program_is_refused_by_the_place_and_never_the_value(changed: dict[str, Any], named: str) -> None:
    stored = program_to_json(Program(EntityType.DEAL, (), ())) | changed
    with pytest.raises(FatalError, match=named) as refused:
        program_from_json(stored)
    assert "secret" not in str(refused.value)
    with pytest.raises(FatalError):
        program_from_json(None)
