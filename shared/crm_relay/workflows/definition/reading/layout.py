"""Gives every step its place in the program, and each its successors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from crm_relay.workflows.definition.reading.states import StateNode, TransitionNode, initial_of
from crm_relay.workflows.definition.reading.steps import StepNode
from crm_relay.workflows.models import StepKind, WorkflowStep

_ENTER = "enter"


@dataclass(frozen=True)
class _Placed:
    """A step with the keys of what comes after it; None: the end."""

    node: StepNode
    after: str | None
    otherwise: str | None = None


def lay_out(
    actions: Sequence[StepNode], states: Sequence[StateNode], transitions: Sequence[TransitionNode] | None
) -> tuple[WorkflowStep, ...]:
    """The actions, then the initial state and what can follow it.

    Entering a state is a step of its own. From a state a run takes the first of its transitions whose conditions hold,
    and is completed where there is none. Transitions None: the states follow each other in their order.
    """
    first = initial_of(states)
    placed = list(_in_order(actions, f"states.{first.place}" if first else None))
    if first:
        ways = _ways(states, transitions)
        ordered = [first, *(state for state in states if state is not first)] if transitions is None else list(states)
        follows = {} if transitions is not None else _in_listed_order(ordered)
        placed.append(_Placed(_entry(f"states.{first.place}", first), _body(first, ways, follows)))
        for state in ordered:
            placed += _of_state(state, states, ways, follows, is_entered=state is first)
    places = {each.node.key: place for place, each in enumerate(placed)}
    return tuple(_step(each, places) for each in placed)


def _ways(states: Sequence[StateNode], transitions: Sequence[TransitionNode] | None) -> dict[int, list[TransitionNode]]:
    ways: dict[int, list[TransitionNode]] = {state.place: [] for state in states}
    for transition in transitions or ():
        ways[transition.origin].append(transition)
    return ways


def _in_listed_order(ordered: Sequence[StateNode]) -> dict[int, int]:
    return {state.place: following.place for state, following in pairwise(ordered)}


def _of_state(
    state: StateNode, states: Sequence[StateNode], ways: dict[int, list[TransitionNode]], follows: dict[int, int],
    *, is_entered: bool,
) -> Iterator[_Placed]:  # fmt: skip
    if not is_entered and state.place in follows.values():
        yield _Placed(_entry(f"states.{state.place}", state), _body(state, ways, follows))
    yield from _in_order(state.actions, _exit(state.place, ways, follows))
    by_place = {each.place: each for each in states}
    outgoing = ways[state.place]
    for number, way in enumerate(outgoing):
        entry = f"{way.key}.{_ENTER}"
        if way.conditions is not None:
            following = _begin_of(outgoing[number + 1]) if number + 1 < len(outgoing) else None
            yield _Placed(StepNode(way.key, StepKind.CONDITION, conditions=way.conditions), entry, following)
        target = by_place[way.target]
        yield _Placed(_entry(entry, target, way), _body(target, ways, follows))


def _entry(key: str, state: StateNode, way: TransitionNode | None = None) -> StepNode:
    row_id = str(way.row_id) if way and way.row_id else None
    config = {"state_id": str(state.row.id), "state": state.row.name, "transition_id": row_id}
    return StepNode(key, StepKind.TRANSITION, config, name=state.row.name)


def _body(state: StateNode, ways: dict[int, list[TransitionNode]], follows: dict[int, int]) -> str | None:
    return state.actions[0].key if state.actions else _exit(state.place, ways, follows)


def _exit(place: int, ways: dict[int, list[TransitionNode]], follows: dict[int, int]) -> str | None:
    if place in follows:
        return f"states.{follows[place]}"
    return _begin_of(ways[place][0]) if ways[place] else None


def _begin_of(way: TransitionNode) -> str:
    return way.key if way.conditions is not None else f"{way.key}.{_ENTER}"


def _in_order(nodes: Sequence[StepNode], after: str | None) -> Iterator[_Placed]:
    for number, node in enumerate(nodes):
        following = nodes[number + 1].key if number + 1 < len(nodes) else after
        if not node.branches:
            yield _Placed(node, following)
            continue
        yield _Placed(
            node,
            node.then[0].key if node.then else following,
            node.otherwise[0].key if node.otherwise else following,
        )
        yield from _in_order(node.then, following)
        yield from _in_order(node.otherwise, following)


def _step(placed: _Placed, places: dict[str, int]) -> WorkflowStep:
    node = placed.node
    return WorkflowStep(
        key=node.key,
        kind=node.kind,
        config=node.config,
        name=node.name,
        next=places.get(placed.after) if placed.after else None,
        otherwise=places.get(placed.otherwise) if placed.otherwise else None,
        ask_again=node.ask_again,
        goes_on_after_failure=node.goes_on_after_failure,
        conditions=node.conditions,
        branches=node.branches and node.kind is not StepKind.CONDITION,
    )
