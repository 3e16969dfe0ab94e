"""States of a definition are rows of the workflow, and a run goes from one to the next by its transitions."""

from typing import Any
from uuid import UUID, uuid4

from crm_relay.workflows.definition.parse import ParsedDefinition, parse
from crm_relay.workflows.definition.reading.states import StateRow, TransitionRow
from crm_relay.workflows.models import Program, StepKind

WORKFLOW = UUID(int=7)
MANUAL = {"type": "manual"}
TASK = {"type": "create_task", "config": {"title": "Call"}}
WAIT = {"type": "wait", "config": {"days": 1}}


def parsed(entity_type: str = "deal", **definition: Any) -> ParsedDefinition:
    return parse({"triggers": [MANUAL]} | definition, entity_type=entity_type, workflow_id=WORKFLOW)


def program(entity_type: str = "deal", **definition: Any) -> Program:
    found = parsed(entity_type, **definition)
    assert found.problems == ()
    assert found.program is not None
    return found.program


def ways(found: Program) -> dict[str, tuple[str | None, str | None]]:
    """The keys of what comes after each step."""
    keys = [step.key for step in found.steps]

    def key(place: int | None) -> str | None:
        return None if place is None else keys[place]

    return {step.key: (key(step.next), key(step.otherwise)) for step in found.steps}


def test_states_follow_each_other_in_their_order_and_begin_behind_the_actions() -> None:
    found = parsed(actions=[TASK], states=[{"id": "new", "actions": [TASK, WAIT]}, {"id": "done", "name": "Done"}])
    assert found.problems == ()
    assert found.program is not None
    assert ways(found.program) == {
        "0": ("states.0", None),
        "states.0": ("states.0.actions.0", None),
        "states.0.actions.0": ("states.0.actions.1", None),
        "states.0.actions.1": ("states.1", None),
        "states.1": (None, None),
    }
    assert [(row.name, row.state_type, row.position) for row in found.new_states] == [
        ("new", "initial", 0),
        ("Done", "intermediate", 1),
    ]
    assert found.program.initial_state == found.new_states[0].id
    assert found.program.steps[1].config == {
        "state_id": str(found.new_states[0].id),
        "state": "new",
        "transition_id": None,
    }
    again = parsed(states=[{"id": "done"}, {"id": "new"}])
    assert {row.name: row.id for row in again.new_states}["new"] == found.new_states[0].id


def test_states_are_known_by_the_id_or_the_name_of_their_row() -> None:
    rows = [StateRow(uuid4(), "Closed"), StateRow(uuid4(), "Open", "initial")]
    states = [{"id": "Closed", "actions": [TASK]}, {"id": str(rows[1].id).upper(), "actions": [TASK]}]
    found = parse({"triggers": [MANUAL], "states": states}, entity_type="deal", workflow_id=WORKFLOW, states=rows)
    assert (found.problems, found.new_states) == ((), ())
    assert found.program is not None
    assert found.program.initial_state == rows[1].id
    assert next(iter(ways(found.program))) == "states.1"
    assert ways(found.program)["states.1.actions.0"] == ("states.0", None)


def test_a_workflow_without_states_in_its_definition_begins_in_the_initial_row() -> None:
    rows = [StateRow(uuid4(), "Later"), StateRow(uuid4(), "First", "initial")]
    found = parse({"triggers": [MANUAL], "actions": [TASK]}, entity_type="deal", workflow_id=WORKFLOW, states=rows)
    assert found.program is not None
    assert found.program.initial_state == rows[1].id


def test_transitions_may_use_the_ids_that_the_definition_gives_its_states() -> None:
    states = [{"id": "offer", "name": "Offer sent"}, {"id": "closed", "name": "Closed"}]
    found = program(states=states, transitions=[{"from": "offer", "to": "closed"}])
    assert [step.config["state"] for step in found.steps] == ["Offer sent", "Closed"]


STATES = [{"id": "new", "actions": [TASK]}, {"id": "won"}, {"id": "lost", "actions": [WAIT]}]


def test_transitions_are_asked_in_their_order_and_a_state_without_one_is_the_end() -> None:
    won = [{"field": "status", "operator": "eq", "value": "won"}]
    found = program(
        states=STATES, transitions=[{"from": "new", "to": "won", "conditions": won}, {"from": "new", "to": "lost"}]
    )
    assert ways(found) == {
        "states.0": ("states.0.actions.0", None),
        "states.0.actions.0": ("transitions.0", None),
        "transitions.0": ("transitions.0.enter", "transitions.1.enter"),
        "transitions.0.enter": (None, None),
        "transitions.1.enter": ("states.2.actions.0", None),
        "states.2.actions.0": (None, None),
    }
    kinds = {step.key: step.kind for step in found.steps}
    assert kinds["transitions.0"] is StepKind.CONDITION
    assert kinds["transitions.0.enter"] is StepKind.TRANSITION


def test_the_rows_of_transitions_serve_a_definition_that_lists_none_those_with_conditions_first() -> None:
    rows = [StateRow(uuid4(), name) for name in ("new", "won", "lost")]
    conditions = {"conditions": [{"field": "a", "operator": "is_null"}]}
    between = [
        TransitionRow(uuid4(), rows[0].id, rows[1].id, {}),
        TransitionRow(uuid4(), rows[0].id, rows[2].id, conditions),
        TransitionRow(uuid4(), rows[0].id, uuid4(), {}),
    ]
    found = parse(
        {"triggers": [MANUAL], "states": STATES},
        entity_type="deal",
        workflow_id=WORKFLOW,
        states=rows,
        transitions=between,
    )
    assert found.problems == ()
    assert found.program is not None
    following = ways(found.program)
    assert following["states.0.actions.0"] == ("workflow_transitions.1", None)
    assert following["workflow_transitions.1"] == ("workflow_transitions.1.enter", "workflow_transitions.0.enter")
    entered = next(step for step in found.program.steps if step.key == "workflow_transitions.1.enter")
    assert entered.config == {"state_id": str(rows[2].id), "state": "lost", "transition_id": str(between[1].id)}


def test_a_transition_that_is_listed_names_its_row() -> None:
    rows = [StateRow(uuid4(), "new"), StateRow(uuid4(), "won")]
    row = TransitionRow(uuid4(), rows[0].id, rows[1].id, {})
    definition = {"triggers": [MANUAL], "states": STATES[:2], "transitions": [{"from": "new", "to": str(rows[1].id)}]}
    found = parse(definition, entity_type="deal", workflow_id=WORKFLOW, states=rows, transitions=[row])
    assert found.program is not None
    assert found.program.steps[-1].config["transition_id"] == str(row.id)
