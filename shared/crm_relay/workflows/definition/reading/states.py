"""States and the transitions between them: which row each is, and where a run goes from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from pydantic.alias_generators import to_snake

from crm_relay.rules.record_conditions import ConditionGroup
from crm_relay.workflows.definition.reading.condition_groups import read_group
from crm_relay.workflows.definition.reading.problems import DefinitionProblems
from crm_relay.workflows.definition.reading.steps import StepNode, StepReader

MOST_STATES: Final = 100
MOST_TRANSITIONS: Final = 500
INITIAL: Final = "initial"
INTERMEDIATE: Final = "intermediate"

_LONGEST_NAME = 200
_OF_STATE = frozenset({"id", "name", "type", "actions"})
_OF_TRANSITION = frozenset({"from", "to", "name", "conditions"})


@dataclass(frozen=True)
class StateRow:
    """A row of `workflow_states`, as it is or as publishing makes it."""

    id: UUID
    name: str
    state_type: str = INTERMEDIATE
    position: int = 0


@dataclass(frozen=True)
class TransitionRow:
    """A row of `workflow_transitions`; a definition that lists none has these. `config` may have conditions."""

    id: UUID
    from_state_id: UUID | None
    to_state_id: UUID | None
    config: Mapping[str, Any]


@dataclass(frozen=True)
class StateNode:
    """A state of the definition with its row. `place` is that in the list, `called` the id that the list gives it."""

    place: int
    row: StateRow
    is_new: bool
    actions: tuple[StepNode, ...]
    called: str | None = None


@dataclass(frozen=True)
class TransitionNode:
    """From one state of the list to another. `key` names it in logs; conditions None: always."""

    key: str
    origin: int
    target: int
    conditions: ConditionGroup | None = None
    row_id: UUID | None = None


def read_states(
    given: object, workflow_id: UUID, rows: Sequence[StateRow], reader: StepReader, problems: DefinitionProblems
) -> tuple[StateNode, ...]:
    """The states in their order; one that has no row yet has the id that its name gives it, each time the same."""
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) > MOST_STATES:
        problems.add("states", f"a list of up to {MOST_STATES} states")
        return ()
    nodes: list[StateNode] = []
    for place, one in enumerate(given):
        path = f"states[{place}]"
        if not isinstance(one, dict):
            problems.add(path, "a state is an object with id and actions")
            continue
        parts = {"type" if to_snake(name) == "state_type" else to_snake(name): value for name, value in one.items()}
        if set(parts) - _OF_STATE:
            problems.add(path, f"a state has {', '.join(sorted(_OF_STATE))}")
        actions = reader.read_list(parts.get("actions"), f"{path}.actions", f"states.{place}.actions")
        found = _row_of(parts, place, workflow_id, rows, path, problems)
        if found and any(found[0].id == node.row.id for node in nodes):
            problems.add(path, "a state that is listed already")
        elif found:
            nodes.append(StateNode(place, found[0], found[1], actions, parts.get("id")))
    return tuple(nodes)


def initial_of(nodes: Sequence[StateNode]) -> StateNode | None:
    """The state in which a run begins: the one of type initial, else the first one."""
    return next((node for node in nodes if node.row.state_type == INITIAL), nodes[0] if nodes else None)


def read_transitions(
    given: object, nodes: Sequence[StateNode], rows: Sequence[TransitionRow], problems: DefinitionProblems
) -> tuple[TransitionNode, ...] | None:
    """None: none are listed, so that states follow each other in their order."""
    if given is None:
        return _of_rows(nodes, rows, problems) or None
    if not isinstance(given, list) or len(given) > MOST_TRANSITIONS:
        problems.add("transitions", f"a list of up to {MOST_TRANSITIONS} transitions")
        return ()
    read = [_read_transition(one, place, nodes, rows, problems) for place, one in enumerate(given)]
    found = tuple(node for node in read if node is not None)
    _refuse_unreachable(nodes, found, problems)
    return found


def _refuse_unreachable(
    nodes: Sequence[StateNode], transitions: Sequence[TransitionNode], problems: DefinitionProblems
) -> None:
    first = initial_of(nodes)
    reached = {first.place} if first else set()
    for _ in nodes:
        reached |= {transition.target for transition in transitions if transition.origin in reached}
    for node in nodes:
        if node.place not in reached and not problems.found:
            problems.add(f"states[{node.place}]", "no transition leads here")


def _row_of(
    parts: dict[str, Any], place: int, workflow_id: UUID, rows: Sequence[StateRow], path: str,
    problems: DefinitionProblems,
) -> tuple[StateRow, bool] | None:  # fmt: skip
    called, name, kind = parts.get("id"), parts.get("name"), parts.get("type")
    if not all(isinstance(each, str | None) and len(each or "") <= _LONGEST_NAME for each in (called, name, kind)):
        problems.add(path, f"id, name and type are texts of up to {_LONGEST_NAME} characters")
        return None
    state_id = _uuid_of(called)
    wanted = name or (called if state_id is None else None)
    known = next((row for row in rows if row.id == state_id), None) or next(
        (row for row in rows if wanted is not None and row.name == wanted), None
    )
    if known is not None:
        return known, False
    if not wanted or not wanted.strip():
        problems.add(path, "a state of this workflow by its id, or a name for a new one")
        return None
    made = kind or (INITIAL if place == 0 and not any(row.state_type == INITIAL for row in rows) else INTERMEDIATE)
    return StateRow(state_id or uuid5(workflow_id, f"state:{wanted}"), wanted, made, place), True


def _read_transition(
    given: object, place: int, nodes: Sequence[StateNode], rows: Sequence[TransitionRow], problems: DefinitionProblems
) -> TransitionNode | None:
    path = f"transitions[{place}]"
    if not isinstance(given, dict) or {to_snake(name) for name in given} - _OF_TRANSITION:
        problems.add(path, "a transition is an object with from, to, and where it has some name and conditions")
        return None
    ends = [_state_called(given.get(word), nodes) for word in ("from", "to")]
    for word, end in zip(("from", "to"), ends, strict=True):
        if end is None:
            problems.add(f"{path}.{word}", "a state of this definition by its id or name")
    conditions = read_group(given.get("conditions"), f"{path}.conditions", problems)
    origin, target = ends
    if origin is None or target is None:
        return None
    row = next((row for row in rows if (row.from_state_id, row.to_state_id) == (origin.row.id, target.row.id)), None)
    return TransitionNode(f"transitions.{place}", origin.place, target.place, conditions, row.id if row else None)


def _of_rows(
    nodes: Sequence[StateNode], rows: Sequence[TransitionRow], problems: DefinitionProblems
) -> tuple[TransitionNode, ...]:
    """Rows have no order of their own: one without conditions is for where no other holds."""
    places = {node.row.id: node.place for node in nodes}
    found = (
        TransitionNode(
            f"workflow_transitions.{place}",
            places[row.from_state_id],
            places[row.to_state_id],
            read_group(row.config.get("conditions"), f"workflow_transitions[{place}].config.conditions", problems),
            row.id,
        )
        for place, row in enumerate(rows)
        if row.from_state_id in places and row.to_state_id in places
    )
    return tuple(sorted(found, key=lambda node: node.conditions is None))


def _state_called(called: object, nodes: Sequence[StateNode]) -> StateNode | None:
    if not isinstance(called, str):
        return None
    state_id = _uuid_of(called)
    by_id = next((node for node in nodes if node.row.id == state_id), None)
    by_word = next((node for node in nodes if node.called == called), None)
    return by_id or by_word or next((node for node in nodes if node.row.name == called), None)


def _uuid_of(text: object) -> UUID | None:
    try:
        return UUID(str(text)) if text else None
    except ValueError:
        return None
