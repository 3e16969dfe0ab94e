"""What starts a workflow, as a definition lists it."""

from collections.abc import Callable
from typing import Any, Final

from pydantic.alias_generators import to_snake

from crm_relay.workflows.definition.reading.condition_groups import read_group
from crm_relay.workflows.definition.reading.problems import DefinitionProblems
from crm_relay.workflows.definition.schedules import problems_of_schedule
from crm_relay.workflows.entities import is_event_name
from crm_relay.workflows.models import Trigger, TriggerKind

MOST_TRIGGERS: Final = 20
NULL_VALUE: Final = ""
"""`from` null: the column was null before."""

_ALIASES = {"timezone": "zone", "filter": "records", "conditions": "records", "name": "event"}
_CHANGE = frozenset({"field", "from", "to"})
_NAMES: Final[dict[TriggerKind, frozenset[str]]] = {
    TriggerKind.CREATED: frozenset(),
    TriggerKind.STATUS_CHANGE: _CHANGE,
    TriggerKind.FIELD_CHANGE: _CHANGE,
    TriggerKind.MANUAL: frozenset(),
    TriggerKind.SCHEDULED: frozenset({"cron", "zone", "records"}),
    TriggerKind.EVENT: frozenset({"event"}),
    TriggerKind.API: frozenset(),
}


def read_triggers(given: object, problems: DefinitionProblems) -> tuple[Trigger, ...]:
    """Those that can be read, in their order."""
    if not isinstance(given, list) or not given:
        problems.add("triggers", 'a list with at least one trigger; {"type": "manual"} is started by hand')
        return ()
    if len(given) > MOST_TRIGGERS:
        problems.add("triggers", f"more than {MOST_TRIGGERS}")
        return ()
    read = [_read_trigger(one, f"triggers[{place}]", problems) for place, one in enumerate(given)]
    return tuple(trigger for trigger in read if trigger is not None)


def _read_trigger(given: object, path: str, problems: DefinitionProblems) -> Trigger | None:
    if not isinstance(given, dict):
        problems.add(path, "a trigger is an object with a type")
        return None
    try:
        kind = TriggerKind(given.get("type"))
    except ValueError:
        problems.add(f"{path}.type", f"one of {', '.join(each.value for each in TriggerKind)}")
        return None
    parts = {_ALIASES.get(to_snake(name), to_snake(name)): value for name, value in given.items() if name != "type"}
    if set(parts) - _NAMES[kind]:
        known = ", ".join(sorted(_NAMES[kind])) or "nothing"
        problems.add(path, f"beside its type a {kind.value} trigger has {known}")
        return None
    return _READERS.get(kind, _read_plain)(kind, parts, path, problems)


def _read_plain(kind: TriggerKind, _parts: dict[str, Any], _path: str, _problems: DefinitionProblems) -> Trigger:
    return Trigger(kind)


def _read_change(kind: TriggerKind, parts: dict[str, Any], path: str, problems: DefinitionProblems) -> Trigger | None:
    column = parts.get("field")
    found = []
    if column is not None and (not isinstance(column, str) or not column.strip()):
        found.append((f"{path}.field", "the name of a column"))
    found += [
        (f"{path}.{name}", "a text, a number, true or false")
        for name in ("from", "to")
        if not isinstance(parts.get(name), str | int | float | None)
    ]
    if "to" in parts and parts["to"] is None:
        found.append((f"{path}.to", "leave it out for any value; is_null is a condition"))
    problems.add_all(found)
    if found:
        return None
    was = _as_text(parts["from"]) if "from" in parts else None
    return Trigger(kind, column=column, was=was, becomes=_as_text(parts["to"]) if "to" in parts else None)


def _as_text(value: Any) -> str:
    if value is None:
        return NULL_VALUE
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read_schedule(kind: TriggerKind, parts: dict[str, Any], path: str, problems: DefinitionProblems) -> Trigger | None:
    cron, zone = parts.get("cron"), parts.get("zone", "UTC")
    records = read_group(parts.get("records"), f"{path}.records", problems)
    if not isinstance(cron, str) or not isinstance(zone, str):
        problems.add(path, "cron and zone are texts")
        return None
    found = problems_of_schedule(cron, zone)
    problems.add_all((f"{path}.{problem.partition(': ')[0]}", problem.partition(": ")[2]) for problem in found)
    return None if found else Trigger(kind, cron=cron, zone=zone, records=records)


def _read_event(kind: TriggerKind, parts: dict[str, Any], path: str, problems: DefinitionProblems) -> Trigger | None:
    if is_event_name(parts.get("event")):
        return Trigger(kind, event=parts["event"])
    problems.add(f"{path}.event", "a name of lower-case letters, digits, dots, dashes and underscores")
    return None


_READERS: Final[dict[TriggerKind, Callable[[TriggerKind, dict[str, Any], str, DefinitionProblems], Trigger | None]]] = {
    TriggerKind.STATUS_CHANGE: _read_change,
    TriggerKind.FIELD_CHANGE: _read_change,
    TriggerKind.SCHEDULED: _read_schedule,
    TriggerKind.EVENT: _read_event,
}
