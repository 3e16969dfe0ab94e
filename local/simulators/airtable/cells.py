"""What a cell of each type accepts and shows: https://airtable.com/developers/web/api/field-model [D]."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local.simulators.airtable.state import SimulatedColumn, SimulatedRecord, new_id
from local.simulators.airtable.wire import AirtableApiError
from local.simulators.clock import stamp

LONGEST_TEXT = 100_000
COMPUTED = frozenset(
    {
        "aiText",
        "autoNumber",
        "button",
        "count",
        "createdBy",
        "createdTime",
        "externalSyncSource",
        "formula",
        "lastModifiedBy",
        "lastModifiedTime",
        "multipleLookupValues",
        "rollup",
    }
)
# [D] "number, text, long text, single select, multiple select, date"; an e-mail field is not among them.
MERGEABLE = frozenset({"number", "singleLineText", "multilineText", "singleSelect", "multipleSelects", "date"})
_TEXTS = {"singleLineText", "multilineText", "richText", "email", "phoneNumber", "url"}
_NUMBERS = {"number", "currency", "percent", "duration"}


def accept(target: SimulatedColumn, value: Any, typecast: bool) -> Any:
    """What is kept of `value`; None for an empty cell. Raises AirtableApiError with 422."""
    if target.type in COMPUTED:
        raise _refused(target, f'Field "{target.name}" cannot accept a value because the field is computed')
    if value is None or value in ("", [], False):
        return None
    return _ACCEPT[target.type](target, value, typecast)


def shown(target: SimulatedColumn, record: SimulatedRecord) -> Any:
    """As the API answers it; None for an empty cell, which is then left out."""
    if target.type == "createdTime":
        return stamp(record.created)
    if target.type == "lastModifiedTime":
        return stamp(record.modified)
    return record.number if target.type == "autoNumber" else record.cells.get(target.id)


def _refused(target: SimulatedColumn, message: str | None = None) -> AirtableApiError:
    text = message or f'Field "{target.name}" cannot accept the provided value'
    return AirtableApiError(422, "INVALID_VALUE_FOR_COLUMN", text)


def _text(target: SimulatedColumn, value: Any, typecast: bool) -> str:
    if typecast and isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise _refused(target)
    return value


def _number(target: SimulatedColumn, value: Any, typecast: bool) -> float:
    if typecast and isinstance(value, str):
        try:
            value = float(value) if "." in value else int(value)
        except ValueError:
            raise _refused(target) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(target)
    return value


def _rating(target: SimulatedColumn, value: Any, typecast: bool) -> int:
    number = _number(target, value, typecast)
    if number != int(number) or not 1 <= number <= target.options.get("max", 5):
        raise _refused(target)
    return int(number)


def _checkbox(target: SimulatedColumn, value: Any, typecast: bool) -> bool:
    if typecast and isinstance(value, str):
        value = value.lower() in {"true", "1", "yes", "checked"}
    if not isinstance(value, bool):
        raise _refused(target)
    return value


def _moment(target: SimulatedColumn, value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _refused(target) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _date(target: SimulatedColumn, value: Any, typecast: bool) -> str:
    del typecast
    return _moment(target, value).date().isoformat()


def _date_time(target: SimulatedColumn, value: Any, typecast: bool) -> str:
    del typecast
    return stamp(_moment(target, value))


def _choice(target: SimulatedColumn, value: Any, typecast: bool) -> str:
    """[D] a new choice by typecast only; blanks at both ends are taken off then."""
    if not isinstance(value, str):
        raise _refused(target)
    choices = target.options.setdefault("choices", [])
    name = value.strip() if typecast else value
    if all(each["name"] != name for each in choices):
        if not typecast:
            text = f'Insufficient permissions to create new select option ""{name}""'
            raise AirtableApiError(422, "INVALID_MULTIPLE_CHOICE_OPTIONS", text)
        choices.append({"id": new_id("sel"), "name": name, "color": "blueLight2"})
    return name


def _choices(target: SimulatedColumn, value: Any, typecast: bool) -> list[str]:
    if typecast and isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        raise _refused(target)
    return list(dict.fromkeys(_choice(target, each, typecast) for each in value))


def _links(target: SimulatedColumn, value: Any, typecast: bool) -> list[str]:
    del typecast
    if not isinstance(value, list) or not all(isinstance(each, str) and each.startswith("rec") for each in value):
        raise _refused(target)
    return value


def _object(target: SimulatedColumn, value: Any, typecast: bool) -> Any:
    del typecast
    if not isinstance(value, dict):
        raise _refused(target)
    return value


def _objects(target: SimulatedColumn, value: Any, typecast: bool) -> Any:
    if not isinstance(value, list):
        raise _refused(target)
    return [_object(target, each, typecast) for each in value]


_ACCEPT: dict[str, Callable[[SimulatedColumn, Any, bool], Any]] = {
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_NUMBERS, _number),
    "rating": _rating,
    "checkbox": _checkbox,
    "date": _date,
    "dateTime": _date_time,
    "singleSelect": _choice,
    "multipleSelects": _choices,
    "multipleRecordLinks": _links,
    "barcode": _object,
    "singleCollaborator": _object,
    "multipleCollaborators": _objects,
    "multipleAttachments": _objects,
}
