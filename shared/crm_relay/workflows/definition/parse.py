"""Reads a definition, as the documents or this page of the manual write it, into a program."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic.alias_generators import to_snake

from crm_relay.workflows.definition.reading.behaviour import read_settings
from crm_relay.workflows.definition.reading.condition_groups import read_group
from crm_relay.workflows.definition.reading.layout import lay_out
from crm_relay.workflows.definition.reading.problems import DefinitionProblems
from crm_relay.workflows.definition.reading.shape import problem_of_shape
from crm_relay.workflows.definition.reading.states import (
    INITIAL,
    StateNode,
    StateRow,
    TransitionRow,
    initial_of,
    read_states,
    read_transitions,
)
from crm_relay.workflows.definition.reading.steps import StepReader
from crm_relay.workflows.definition.reading.triggers import read_triggers
from crm_relay.workflows.models import EntityType, Program

_PARTS = frozenset({"triggers", "conditions", "actions", "states", "transitions", "settings"})


@dataclass(frozen=True)
class ParsedDefinition:
    """What could be read. `program` None: so little that nothing can be proven of it.

    A program is complete only where there are no `problems`. `new_states` are those that have no row yet.
    """

    program: Program | None
    new_states: tuple[StateRow, ...] = ()
    problems: tuple[str, ...] = ()


def parse(
    definition: object,
    *,
    entity_type: str,
    workflow_id: UUID,
    states: Sequence[StateRow] = (),
    transitions: Sequence[TransitionRow] = (),
) -> ParsedDefinition:
    """`states` and `transitions` are the rows of the workflow.

    >>> parsed = parse(
    ...     {
    ...         "triggers": [{"type": "status_change", "to": "won"}],
    ...         "actions": [{"type": "create_task", "config": {"title": "Call {{contact.first_name}}"}}],
    ...     },
    ...     entity_type="deal",
    ...     workflow_id=UUID(int=1),
    ... )
    >>> parsed.program.steps[0].key, parsed.problems
    ('0', ())
    """
    problems = DefinitionProblems()
    kind = next((kind for kind in EntityType if kind.value == entity_type), None)
    if kind is None:
        problems.add("entity_type", f"one of {', '.join(each.value for each in EntityType)}")
    shape = problem_of_shape(definition)
    if shape is not None or not isinstance(definition, dict):
        problems.add("", shape or "not an object")
        return ParsedDefinition(None, problems=problems.found)
    parts = {to_snake(name): part for name, part in definition.items()}
    if set(parts) - _PARTS:
        problems.add("", f"a definition has {', '.join(sorted(_PARTS))}")
    triggers = read_triggers(parts.get("triggers"), problems)
    conditions = read_group(parts.get("conditions"), "conditions", problems)
    settings = read_settings(parts.get("settings"), problems)
    reader = StepReader(problems)
    actions = reader.read_list(parts.get("actions"), "actions", "")
    nodes = read_states(parts.get("states"), workflow_id, states, reader, problems)
    ways = read_transitions(parts.get("transitions"), nodes, transitions, problems)
    steps = lay_out(actions, nodes, ways)
    if not steps and not problems.found:
        problems.add("", "no steps: actions, or states with actions")
    if kind is None:
        return ParsedDefinition(None, problems=problems.found)
    program = Program(kind, triggers, steps, conditions, settings, _initial_state(nodes, states))
    return ParsedDefinition(program, tuple(node.row for node in nodes if node.is_new), problems.found)


def _initial_state(nodes: Sequence[StateNode], rows: Sequence[StateRow]) -> UUID | None:
    """A workflow whose definition has no states may still have rows: an instance begins in the initial one."""
    first = initial_of(nodes)
    if first is not None:
        return first.row.id
    return next((row.id for row in rows if row.state_type == INITIAL), None)
