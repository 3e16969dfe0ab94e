"""Conditions as a flat list, which is `all`, or as nested `{"all": [...]}` and `{"any": [...]}`."""

from typing import Any, Final

from crm_relay.rules.operators import NEED_A_VALUE, OPERATORS, Scalar, is_missing
from crm_relay.rules.record_conditions import ConditionGroup, RecordCondition
from crm_relay.workflows.definition.reading.problems import DefinitionProblems

DEEPEST_GROUP: Final = 8
MOST_CONDITIONS: Final = 100
LONGEST_VALUE: Final = 1000

_KINDS = ("all", "any")
_NAMES = {"field", "operator", "value"}


def read_group(given: object, path: str, problems: DefinitionProblems) -> ConditionGroup | None:
    """None where there is no condition: nothing given, or an empty list. A single condition is a group of one."""
    if given is None or given in ([], {}):
        return None
    return _Reading(problems).group(given, path, 0)


class _Reading:
    def __init__(self, problems: DefinitionProblems) -> None:
        self.problems = problems
        self.count = 0

    def group(self, given: object, path: str, depth: int) -> ConditionGroup | None:
        if depth >= DEEPEST_GROUP:
            self.problems.add(path, f"conditions are nested more than {DEEPEST_GROUP} levels deep")
            return None
        if isinstance(given, list):
            return self._parts("all", given, path, depth)
        if not isinstance(given, dict):
            self.problems.add(path, "conditions: a list, or an object with all or any")
            return None
        if "field" in given or "operator" in given:
            condition = self._condition(given, path)
            return ConditionGroup("all", (condition,)) if condition else None
        if len(given) != 1 or next(iter(given)) not in _KINDS:
            self.problems.add(path, "a group has exactly one of all and any; a condition has field and operator")
            return None
        ((kind, parts),) = given.items()
        if not isinstance(parts, list) or not parts:
            self.problems.add(f"{path}.{kind}", "a list with at least one condition")
            return None
        return self._parts(kind, parts, f"{path}.{kind}", depth)

    def _parts(self, kind: str, given: list[Any], path: str, depth: int) -> ConditionGroup:
        read = [self._part(part, f"{path}[{place}]", depth) for place, part in enumerate(given)]
        return ConditionGroup(kind, tuple(part for part in read if part is not None))

    def _part(self, given: object, path: str, depth: int) -> RecordCondition | ConditionGroup | None:
        if isinstance(given, dict) and ("field" in given or "operator" in given):
            return self._condition(given, path)
        return self.group(given, path, depth + 1)

    def _condition(self, given: dict[str, Any], path: str) -> RecordCondition | None:
        self.count += 1
        if self.count == MOST_CONDITIONS + 1:
            self.problems.add(path, f"more than {MOST_CONDITIONS} conditions in one place")
        if self.count > MOST_CONDITIONS:
            return None
        found = list(_problems_of_condition(given))
        self.problems.add_all((f"{path}.{name}", message) for name, message in found)
        return None if found else RecordCondition(given["field"], given["operator"], given.get("value"))


def _problems_of_condition(given: dict[str, Any]) -> list[tuple[str, str]]:
    field, operator, value = given.get("field"), given.get("operator"), given.get("value")
    found = []
    if not isinstance(field, str) or not field.strip():
        found.append(("field", "the name of a field"))
    if not isinstance(operator, str) or operator not in OPERATORS:
        found.append(("operator", f"one of {', '.join(sorted(OPERATORS))}"))
    elif operator in NEED_A_VALUE and is_missing(value):
        found.append(("value", f"{operator} needs one"))
    if not isinstance(value, Scalar) or (isinstance(value, str) and len(value) > LONGEST_VALUE):
        found.append(("value", f"a text of up to {LONGEST_VALUE} characters, a number, true, false or null"))
    if set(given) - _NAMES:
        found.append(("", "a condition has field, operator and value, nothing else"))
    return found
