"""The steps of a definition as a tree: what each does, and the branches of conditions and waits."""

from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic.alias_generators import to_snake

from crm_relay.rules.record_conditions import ConditionGroup
from crm_relay.workflows.actions.step_configs import CONFIGS
from crm_relay.workflows.definition.reading.condition_groups import read_group
from crm_relay.workflows.definition.reading.problems import DefinitionProblems, read_part
from crm_relay.workflows.models import StepKind

MOST_STEPS: Final = 500
DEEPEST_BRANCH: Final = 10
LONGEST_STEP_NAME: Final = 255

_ON_ERROR: Final = {"stop": False, "continue": True}
_COMMON = frozenset({"type", "name", "on_error", "ask_again"})
_WAYS = frozenset({"then", "else"})
_BRANCHES = _WAYS | {"conditions"}


@dataclass(frozen=True)
class StepNode:
    """A step before it has its place in the program. `then` and `otherwise` are the branches of a condition, of a wait
    for an event (`otherwise` where the time was up), or of an approval (`otherwise` where there is none).
    """

    key: str
    kind: StepKind
    config: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    ask_again: ConditionGroup | None = None
    goes_on_after_failure: bool = False
    conditions: ConditionGroup | None = None
    then: tuple["StepNode", ...] = ()
    otherwise: tuple["StepNode", ...] = ()
    branches: bool = False


class StepReader:
    """Reads the lists of steps of one definition, which share one bound."""

    def __init__(self, problems: DefinitionProblems) -> None:
        self._problems = problems
        self._count = 0

    def read_list(self, given: object, path: str, key: str, depth: int = 0) -> tuple[StepNode, ...]:
        """The steps that can be read; `key` is put before the place of each. Nothing given is an empty list."""
        if given is None:
            return ()
        if not isinstance(given, list):
            self._problems.add(path, "a list of steps")
            return ()
        if depth > DEEPEST_BRANCH:
            self._problems.add(path, f"branches are nested more than {DEEPEST_BRANCH} levels deep")
            return ()
        before, self._count = self._count, self._count + len(given)
        if self._count > MOST_STEPS:
            if before <= MOST_STEPS:
                self._problems.add(path, f"more than {MOST_STEPS} steps")
            return ()
        read = [
            self._read_step(one, f"{path}[{place}]", f"{key}.{place}" if key else str(place), depth)
            for place, one in enumerate(given)
        ]
        return tuple(step for step in read if step is not None)

    def _read_step(self, given: object, path: str, key: str, depth: int) -> StepNode | None:
        if not isinstance(given, dict):
            self._problems.add(path, "a step is an object with type and config")
            return None
        parts = {to_snake(name): value for name, value in given.items()}
        kind = self._kind_of(parts.get("type"), f"{path}.type")
        name, goes_on = self._name_of(parts, path), self._goes_on(parts, path)
        ask_again = read_group(parts.get("ask_again"), f"{path}.askAgain", self._problems)
        if kind is None:
            return None
        if kind is StepKind.CONDITION:
            return self._read_condition(parts, path, key, depth, name)
        has_ways = kind in {StepKind.WAIT, StepKind.APPROVAL}
        self._refuse_unknown(parts, _COMMON | {"config"} | (_WAYS if has_ways else frozenset()), path)
        config = read_part(CONFIGS[kind], parts.get("config", {}), f"{path}.config", self._problems)
        if config is None:
            return None
        node = StepNode(key, kind, config.model_dump(mode="json"), name, ask_again, goes_on)
        return self._with_ways(node, parts, path, depth) if has_ways and _WAYS & set(parts) else node

    def _with_ways(self, node: StepNode, parts: dict[str, Any], path: str, depth: int) -> StepNode:
        """A wait for an event goes one way where it happens, and the other where the time is up; an approval goes the
        other way where it is refused as well.
        """
        if node.kind is StepKind.WAIT and not node.config["until_event"]:
            self._problems.add(path, "then and else belong to a wait with untilEvent")
        then = self.read_list(parts.get("then"), f"{path}.then", f"{node.key}.then", depth + 1)
        otherwise = self.read_list(parts.get("else"), f"{path}.else", f"{node.key}.else", depth + 1)
        return replace(node, then=then, otherwise=otherwise, branches=True)

    def _read_condition(
        self, parts: dict[str, Any], path: str, key: str, depth: int, name: str | None
    ) -> StepNode | None:
        config, place = parts.get("config"), path
        if isinstance(config, dict):
            # Applications write everything of a step into its config.
            is_single = "field" in config or "operator" in config
            branches = {"conditions": config} if is_single else {to_snake(word): part for word, part in config.items()}
            parts, place = {word: part for word, part in parts.items() if word != "config"} | branches, f"{path}.config"
        self._refuse_unknown(parts, _COMMON | _BRANCHES, path)
        conditions = read_group(parts.get("conditions"), f"{place}.conditions", self._problems)
        then = self.read_list(parts.get("then"), f"{place}.then", f"{key}.then", depth + 1)
        otherwise = self.read_list(parts.get("else"), f"{place}.else", f"{key}.else", depth + 1)
        if conditions is None:
            self._problems.add(f"{place}.conditions", "a condition asks at least one thing")
            return None
        return StepNode(
            key, StepKind.CONDITION, name=name, conditions=conditions, then=then, otherwise=otherwise, branches=True
        )

    def _kind_of(self, given: object, path: str) -> StepKind | None:
        if given == StepKind.CONDITION.value:
            return StepKind.CONDITION
        kind = next((kind for kind in CONFIGS if kind.value == given), None)
        if kind is None:
            known = ", ".join([*(each.value for each in CONFIGS), StepKind.CONDITION.value])
            self._problems.add(path, f"one of {known}")
        return kind

    def _name_of(self, parts: dict[str, Any], path: str) -> str | None:
        name = parts.get("name")
        if isinstance(name, str | None) and len(name or "") <= LONGEST_STEP_NAME:
            return name or None
        self._problems.add(f"{path}.name", f"a text of up to {LONGEST_STEP_NAME} characters")
        return None

    def _goes_on(self, parts: dict[str, Any], path: str) -> bool:
        given = parts.get("on_error", "stop")
        if isinstance(given, str) and given in _ON_ERROR:
            return _ON_ERROR[given]
        self._problems.add(f"{path}.onError", f"one of {', '.join(_ON_ERROR)}")
        return False

    def _refuse_unknown(self, parts: dict[str, Any], known: frozenset[str], path: str) -> None:
        if set(parts) - known:
            self._problems.add(path, f"a step of this type has {', '.join(sorted(known))}")
