"""Conditions over a record of the CRM, what hangs on it, and the event that is about it; each answer is explained."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import islice
from math import isfinite
from typing import Any, Final, Protocol
from uuid import UUID

from crm_relay.rules.operators import compare

RECORD: Final = "record"
EVENT: Final = "event"
OLD: Final = "old"
RELATED: Final = frozenset({"contact", "account", "owner"})
"""What hangs on a record, by the names that fields and variables use."""

REDACTED: Final = "redacted"

_LONGEST_SHOWN = 200
_MOST_SHOWN = 20
_DEEPEST_SHOWN = 3


@dataclass(frozen=True)
class RecordCondition:
    """One comparison. `field` is bare or `record.x` for the record, `contact.x`, `account.x`, `owner.x`, `event.x`."""

    field: str
    operator: str
    value: object = None


@dataclass(frozen=True)
class ConditionGroup:
    """`all` or `any` of its parts, which may be groups; an empty `all` holds, an empty `any` does not."""

    kind: str
    parts: tuple["RecordCondition | ConditionGroup", ...] = ()


@dataclass(frozen=True)
class RecordFacts:
    """A record and what hangs on it, as they are now, each by its columns; None: there is none."""

    record: Mapping[str, Any] | None = field(hash=False)
    contact: Mapping[str, Any] | None = field(default=None, hash=False)
    account: Mapping[str, Any] | None = field(default=None, hash=False)
    owner: Mapping[str, Any] | None = field(default=None, hash=False)


class EventFacts(Protocol):
    """What a condition may ask of an event: `changed` maps a column to its old and new value."""

    @property
    def changed(self) -> Mapping[str, tuple[object, object]]: ...

    @property
    def payload(self) -> Mapping[str, object]: ...


@dataclass(frozen=True)
class ConditionSubject:
    """What conditions are asked of. `entity_type` is another name for the record: `deal.value` is `record.value`."""

    entity_type: str
    facts: RecordFacts
    event: EventFacts | None = None

    def value_of(self, name: str) -> Any:
        """What `name` is now; None where there is no such thing.

        `event.x` is the new value of column `x` that the event carries, else what a named event carries as `x`;
        `event.old.x` is the old value. A further part of a name looks into a JSON column: `record.extra.tier`.
        """
        scope, column = scope_of(name, self.entity_type)
        if scope == EVENT:
            return self._of_event(column)
        return _look_up(getattr(self.facts, scope) or {}, column) if scope else None

    def _of_event(self, column: str) -> Any:
        if self.event is None:
            return None
        before, _, rest = column.partition(".")
        if before == OLD:
            return _look_up({name: values[0] for name, values in self.event.changed.items()}, rest)
        if before in self.event.changed:
            return _look_up({name: values[1] for name, values in self.event.changed.items()}, column)
        return _look_up(self.event.payload, column)


@dataclass(frozen=True)
class AskedCondition:
    """One condition that was asked. `at` is its place, such as `all.1.any.0`; `actual` is what the record had."""

    at: str
    field: str
    operator: str
    wanted: object
    actual: object
    holds: bool

    def as_json(self) -> dict[str, Any]:
        """For `explanation` columns and logs; long texts and lists are cut."""
        return {
            "at": self.at,
            "field": self.field,
            "operator": self.operator,
            "wanted": _shown(self.wanted),
            "actual": _shown(self.actual),
            "holds": self.holds,
        }


@dataclass(frozen=True)
class ConditionsAnswer:
    """Whether conditions hold, and every comparison that was asked, in the order of the definition.

    >>> group = ConditionGroup("all", (RecordCondition("value", "gte", 1000),))
    >>> answer = ask(group, ConditionSubject("deal", RecordFacts({"value": 250})))
    >>> answer.holds, answer.as_json()[0]["actual"]
    (False, 250)
    """

    holds: bool
    comparisons: tuple[AskedCondition, ...] = ()

    def as_json(self) -> list[dict[str, Any]]:
        """The explanation, as `workflow_start_decisions.explanation` and the logs keep it."""
        return [comparison.as_json() for comparison in self.comparisons]


def ask(conditions: RecordCondition | ConditionGroup | None, subject: ConditionSubject) -> ConditionsAnswer:
    """Ask all of `conditions`, also where the first one decides already. None and an empty `all` hold."""
    if conditions is None:
        return ConditionsAnswer(holds=True)
    comparisons = tuple(_compare_each(conditions, subject, ()))
    verdicts = iter(comparison.holds for comparison in comparisons)
    return ConditionsAnswer(_fold(conditions, verdicts), comparisons)


def scope_of(name: str, entity_type: str) -> tuple[str | None, str]:
    """Whose column `name` is, and which one; (None, name) where it begins with a word that is nobody's."""
    first, dot, rest = name.partition(".")
    if not dot:
        return RECORD, name
    if first in {RECORD, entity_type}:
        return RECORD, rest
    return (first, rest) if first in RELATED or first == EVENT else (None, name)


def conditions_in(group: RecordCondition | ConditionGroup | None) -> Iterator[RecordCondition]:
    """All single conditions of `group`, in their order."""
    if isinstance(group, RecordCondition):
        yield group
        return
    for part in group.parts if group else ():
        yield from conditions_in(part)


def redact(explanation: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The explanation without what the record had; which comparisons were asked, and their verdicts, stay."""
    return [dict(entry) | ({} if entry.get("actual") is None else {"actual": REDACTED}) for entry in explanation]


def _compare_each(
    part: RecordCondition | ConditionGroup, subject: ConditionSubject, at: tuple[str, ...]
) -> Iterator[AskedCondition]:
    if isinstance(part, ConditionGroup):
        for place, inner in enumerate(part.parts):
            yield from _compare_each(inner, subject, (*at, part.kind, str(place)))
        return
    actual = subject.value_of(part.field)
    holds = compare(actual, part.operator, part.value)
    yield AskedCondition(".".join(at), part.field, part.operator, part.value, actual, holds)


def _fold(part: RecordCondition | ConditionGroup, verdicts: Iterator[bool]) -> bool:
    if isinstance(part, RecordCondition):
        return next(verdicts)
    # Every verdict is taken, so that the next group begins at its own.
    answers = [_fold(inner, verdicts) for inner in part.parts]
    return all(answers) if part.kind == "all" else any(answers)


def _look_up(values: Mapping[str, Any], path: str) -> Any:
    if "." not in path:
        return values.get(path)
    found: Any = values
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _shown(value: object, depth: int = 0) -> Any:
    """As JSON has it; a number that JSON lacks is its text, and what is nested too deep or unknown is its type."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, str | UUID | Decimal):
        return str(value)[:_LONGEST_SHOWN]
    if isinstance(value, date):
        return value.isoformat()
    if depth < _DEEPEST_SHOWN and isinstance(value, Mapping):
        pairs = islice(value.items(), _MOST_SHOWN)
        return {str(name)[:_LONGEST_SHOWN]: _shown(inner, depth + 1) for name, inner in pairs}
    if depth < _DEEPEST_SHOWN and isinstance(value, list | tuple):
        return [_shown(inner, depth + 1) for inner in value[:_MOST_SHOWN]]
    return type(value).__name__
