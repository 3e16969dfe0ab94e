"""What is wrong with a definition is listed at once, by its path and never by a value, however hostile it is."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_relay.workflows.definition.parse import parse
from crm_relay.workflows.definition.reading.problems import MOST_PROBLEMS, path_of_step

MANUAL = {"type": "manual"}
TASK = {"type": "create_task", "config": {"title": "Call"}}
ASKED = [{"field": "a", "operator": "is_null"}]


def problems(definition: object, entity_type: str = "deal") -> tuple[str, ...]:
    return parse(definition, entity_type=entity_type, workflow_id=UUID(int=7)).problems


def of(**definition: Any) -> str:
    found = problems({"triggers": [MANUAL], "actions": [TASK]} | definition)
    return "\n".join(found)


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        ({"triggers": []}, "triggers: a list with at least one trigger"),
        ({"triggers": None}, "triggers: a list with at least one trigger"),
        ({"triggers": {"type": "manual"}}, "triggers: a list with at least one trigger"),
        ({"triggers": [MANUAL] * 21}, "triggers: more than 20"),
        ({"triggers": [MANUAL, "created"]}, "triggers[1]: a trigger is an object with a type"),
        ({"triggers": [{"type": "secret"}]}, "triggers[0].type: one of created, status_change"),
        ({"triggers": [{}]}, "triggers[0].type: one of created"),
        ({"triggers": [{"type": "created", "to": "x"}]}, "triggers[0]: beside its type a created trigger has nothing"),
        ({"triggers": [{"type": "event", "cron": "x"}]}, "triggers[0]: beside its type a event trigger has event"),
        ({"triggers": [{"type": "status_change", "to": None}]}, "triggers[0].to: leave it out for any value"),
        (
            {"triggers": [{"type": "status_change", "from": ["secret"]}]},
            "triggers[0].from: a text, a number, true or false",
        ),
        ({"triggers": [{"type": "field_change", "field": 3}]}, "triggers[0].field: the name of a column"),
        ({"triggers": [{"type": "event"}]}, "triggers[0].event: a name of lower-case letters"),
        ({"triggers": [{"type": "event", "event": "A secret"}]}, "triggers[0].event: a name of lower-case letters"),
        ({"triggers": [{"type": "scheduled"}]}, "triggers[0]: cron and zone are texts"),
        ({"triggers": [{"type": "scheduled", "cron": "secret"}]}, "triggers[0].cron: five fields"),
        (
            {"triggers": [{"type": "scheduled", "cron": "0 9 * * *", "zone": "Secret/Place"}]},
            "triggers[0].zone: not an IANA time zone",
        ),
        ({"conditions": "secret"}, "conditions: a list, or an object with all or any"),
        ({"conditions": [{"field": "a"}]}, "conditions[0].operator: one of contains, eq, gt"),
        ({"conditions": [{"operator": "eq"}]}, "conditions[0].field: the name of a field"),
        ({"conditions": [{"field": "a", "operator": "like", "value": 1}]}, "conditions[0].operator: one of contains"),
        ({"conditions": [{"field": "a", "operator": "gt"}]}, "conditions[0].value: gt needs one"),
        (
            {"conditions": [{"field": "a", "operator": "eq", "value": ["secret"]}]},
            "conditions[0].value: a text of up to",
        ),
        (
            {"conditions": [{"field": "a", "operator": "eq", "value": "x" * 1001}]},
            "conditions[0].value: a text of up to",
        ),
        (
            {"conditions": [{"field": "a", "operator": "is_null", "not": 1}]},
            "a condition has field, operator and value",
        ),
        ({"conditions": {"all": ASKED, "any": ASKED}}, "conditions: a group has exactly one of all and any"),
        ({"conditions": {"none": ASKED}}, "conditions: a group has exactly one of all and any"),
        ({"conditions": {"any": []}}, "conditions.any: a list with at least one condition"),
        ({"conditions": {"all": [{"any": [{"field": "a"}]}]}}, "conditions.all[0].any[0].operator: one of"),
        ({"conditions": ASKED * 101}, "conditions[100]: more than 100 conditions in one place"),
        (
            {"settings": {"reEntry": "secret"}},
            "settings.reEntry: Input should be 'skip', 'queue', 'restart' or 'parallel'",
        ),
        ({"settings": {"coolDown": "soon"}}, "settings.coolDown: a span: 30m, 36h, 3d, 2w"),
        ({"settings": {"coolDown": {"years": 1}}}, "settings.coolDown.years: Extra inputs are not permitted"),
        (
            {"settings": {"atMost": {"emails": -1}}},
            "settings.atMost.emails: Input should be greater than or equal to 0",
        ),
        ({"settings": {"maxDepth": 99}}, "settings.maxDepth: Input should be less than or equal to 20"),
        ({"settings": {"origins": ["A secret"]}}, "settings.origins[0]: String should match pattern"),
        ({"settings": {"guard": ""}}, "settings.guard: String should have at least 1 character"),
        ({"settings": []}, "settings: Input should be a valid dictionary"),
        ({"actions": []}, "definition: no steps: actions, or states with actions"),
        ({"actions": {}}, "actions: a list of steps"),
        ({"actions": ["secret"]}, "actions[0]: a step is an object with type and config"),
        ({"actions": [{"type": "secret"}]}, "actions[0].type: one of send_email, send_notification"),
        ({"actions": [{"type": ["wait"]}]}, "actions[0].type: one of send_email, send_notification"),
        ({"actions": [{"type": "approval", "config": {}}]}, "actions[0].config.approvers: Field required"),
        (
            {"actions": [{"type": "approval", "config": {"approvers": [{"type": "boss"}]}}]},
            "actions[0].config.approvers[0].type: Input should be 'user', 'role', 'manager' or 'owner'",
        ),
        ({"actions": [TASK, {"type": "create_task"}]}, "actions[1].config.title: Field required"),
        (
            {"actions": [{"type": "create_task", "config": None}]},
            "actions[0].config: Input should be a valid dictionary",
        ),
        (
            {"actions": [{"type": "create_task", "config": {"title": ""}}]},
            "actions[0].config.title: String should have at least",
        ),
        (
            {"actions": [{**TASK, "colour": 1}]},
            "actions[0]: a step of this type has ask_again, config, name, on_error, type",
        ),
        ({"actions": [{**TASK, "name": 7}]}, "actions[0].name: a text of up to 255 characters"),
        ({"actions": [{**TASK, "onError": "secret"}]}, "actions[0].onError: one of stop, continue"),
        ({"actions": [{**TASK, "askAgain": [{}]}]}, "actions[0].askAgain[0]"),
        ({"actions": [{"type": "condition"}]}, "actions[0].conditions: a condition asks at least one thing"),
        (
            {"actions": [{"type": "condition", "conditions": ASKED, "otherwise": []}]},
            "actions[0]: a step of this type has",
        ),
        (
            {"actions": [{"type": "condition", "conditions": ASKED, "then": [{"type": "x"}]}]},
            "actions[0].then[0].type: one of",
        ),
        (
            {"actions": [{"type": "wait", "config": {"days": 1}, "else": [TASK]}]},
            "actions[0]: then and else belong to a wait with untilEvent",
        ),
        (
            {"actions": [{"type": "wait", "config": {"untilEvent": "a", "days": 1}, "then": ["secret"]}]},
            "actions[0].then[0]: a step is an object with type and config",
        ),
        ({"actions": [{**TASK, "then": [TASK]}]}, "actions[0]: a step of this type has ask_again, config"),
        ({"states": {}}, "states: a list of up to 100 states"),
        ({"states": [{"id": "a"}] * 101}, "states: a list of up to 100 states"),
        ({"states": ["secret"]}, "states[0]: a state is an object with id and actions"),
        ({"states": [{}]}, "states[0]: a state of this workflow by its id, or a name for a new one"),
        (
            {"states": [{"id": str(UUID(int=5))}]},
            "states[0]: a state of this workflow by its id, or a name for a new one",
        ),
        ({"states": [{"id": 5}]}, "states[0]: id, name and type are texts"),
        ({"states": [{"id": "a", "colour": 1}]}, "states[0]: a state has actions, id, name, type"),
        ({"states": [{"id": "a"}, {"id": "a"}]}, "states[1]: a state that is listed already"),
        ({"states": [{"id": "a", "actions": [{"type": "x"}]}]}, "states[0].actions[0].type: one of"),
        ({"states": [{"id": "a"}], "transitions": {}}, "transitions: a list of up to 500 transitions"),
        ({"states": [{"id": "a"}], "transitions": ["x"]}, "transitions[0]: a transition is an object with from, to"),
        (
            {"states": [{"id": "a"}], "transitions": [{"from": "a", "to": "b"}]},
            "transitions[0].to: a state of this definition",
        ),
        (
            {"states": [{"id": "a"}], "transitions": [{"from": 1, "to": "a"}]},
            "transitions[0].from: a state of this definition",
        ),
        ({"states": [{"id": "a"}, {"id": "b"}], "transitions": []}, "states[1]: no transition leads here"),
        ({"colour": 1}, "definition: a definition has actions, conditions, settings, states, transitions, triggers"),
    ],
)
def test_each_problem_is_named_by_its_path_and_without_its_value(part: dict[str, Any], problem: str) -> None:
    found = of(**part)
    assert problem in found
    assert "secret" not in found.lower()


def test_all_problems_are_listed_at_once_and_no_more_than_fifty() -> None:
    found = problems(
        {"triggers": [{"type": "x"}], "conditions": [{}], "actions": [{"type": "x"}] * 3, "settings": 5}, "planet"
    )
    assert [problem.partition(":")[0] for problem in found] == [
        "entity_type",
        "triggers[0].type",
        "conditions[0]",
        "settings",
        "actions[0].type",
        "actions[1].type",
        "actions[2].type",
    ]
    assert len(problems({"triggers": [MANUAL], "actions": [{"type": "x"}] * 400})) == MOST_PROBLEMS


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def branches(levels: int) -> dict[str, Any]:
    step: dict[str, Any] = TASK
    for _ in range(levels):
        step = {"type": "condition", "conditions": ASKED, "then": [step]}
    return step


def groups(levels: int) -> Any:
    group: Any = ASKED[0]
    for _ in range(levels):
        group = {"all": [group]}
    return group


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        (None, "definition: not an object"),
        ([], "definition: not an object"),
        ("{}", "definition: not an object"),
        ({"actions": nested(100_000)}, "definition: nested more than 40 levels deep"),
        ({"actions": [TASK] * 10_000}, "definition: more than 20000 values"),
        ({"actions": [{"type": "wait"}] * 600}, "actions: more than 500 steps"),
        ({"actions": [branches(12)]}, "branches are nested more than 10 levels deep"),
        ({"conditions": groups(9)}, "conditions are nested more than 8 levels deep"),
        ({"actions": [{"type": "x" * 20_001}]}, "definition: a text of more than 20000 characters"),
        ({"x" * 201: 1}, "definition: a name that is no text, longer than 200 characters"),
        ({5: 1}, "definition: a name that is no text"),
        ({"conditions": float("nan")}, "definition: a number that is none, or beyond"),
        ({"conditions": float("inf")}, "definition: a number that is none, or beyond"),
        ({"conditions": 10**400}, "definition: a number that is none, or beyond"),
        ({"conditions": "a\0b"}, "definition: a text with a character that cannot be stored"),
        ({"conditions": "\ud800"}, "definition: a text with a character that cannot be stored"),
        ({"conditions": {"a\0": 1}}, "definition: a name that is no text"),
        ({"conditions": date(2026, 1, 1)}, "definition: a value that JSON does not have; write dates as text"),
        ({"conditions": {1, 2}}, "definition: a value that JSON does not have"),
    ],
    ids=range(19),
)
def test_a_hostile_definition_is_refused_in_clear_words(definition: object, problem: str) -> None:
    given = {"triggers": [MANUAL]} | definition if isinstance(definition, dict) else definition
    assert problem in "\n".join(problems(given))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "config", "actions", "field", "operator", "all", "any", "then", "id", "from", "to", "name"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
PARTS = st.dictionaries(
    st.sampled_from(["triggers", "conditions", "actions", "states", "transitions", "settings"]), JSON, min_size=1
)


@given(PARTS, st.sampled_from(["deal", "contact", "planet", ""]))
@settings(max_examples=400, deadline=None)
def test_no_definition_whatever_stops_the_reader(definition: dict[str, Any], entity_type: str) -> None:
    found = parse(definition, entity_type=entity_type, workflow_id=UUID(int=7))
    assert found.program is not None or found.problems


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("2", "actions[2]"),
        ("2.then.0", "actions[2].then[0]"),
        ("states.1.actions.0.else.3", "states[1].actions[0].else[3]"),
        ("transitions.3.enter", "transitions[3].enter"),
    ],
)
def test_a_step_is_found_in_its_definition(key: str, path: str) -> None:
    assert path_of_step(key) == path
