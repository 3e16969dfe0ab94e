"""What a cell of each type holds, as text, which all columns of a contact are, and how ours are written into it.

https://airtable.com/developers/web/api/field-model. Types that hold no single value of ours (attachments, links to
other rows, buttons) are not in the table: a field of such a type cannot be mapped.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from crm_relay.platform.http.wire import moment_or_none
from crm_relay.providers.connectors.contract import FieldValue

LONGEST_TEXT = 100_000
"""Characters in a text cell: https://support.airtable.com/docs/airtable-plans (long text)."""

Family = Literal["text", "number", "flag", "date", "moment", "choice", "choices"]
"""A field that changes its type within one family still holds the same values."""


class CellUnfit(ValueError):
    """A value that a cell cannot hold, or a cell with something else than its type says; the message quotes nothing."""


@dataclass(frozen=True)
class CellType:
    """`write` None: Airtable computes it, or we do not write it. `upserts`: rows can be found by it in an upsert."""

    family: Family
    read: Callable[[Any], FieldValue]
    write: Callable[[FieldValue], Any] | None = None
    upserts: bool = False


def _read_text(cell: Any) -> FieldValue:
    if cell is None:
        return None
    if not isinstance(cell, str):
        raise CellUnfit("not a text")
    return cell.strip() or None


def _read_number(cell: Any) -> FieldValue:
    if isinstance(cell, bool) or not isinstance(cell, int | float | None):
        raise CellUnfit("not a number")
    return None if cell is None else _number_text(cell)


def _number_text(number: float) -> str:
    return str(int(number) if isinstance(number, float) and number.is_integer() else number)


def _read_flag(cell: Any) -> FieldValue:
    # A box that is not ticked is an empty cell, and there is no third state.
    if not isinstance(cell, bool | None):
        raise CellUnfit("not a checkbox")
    return "true" if cell else "false"


def _read_moment(cell: Any) -> FieldValue:
    if cell is None:
        return None
    moment = moment_or_none(cell)
    if moment is None:
        raise CellUnfit("not a time")
    return moment.isoformat()


def _read_date(cell: Any) -> FieldValue:
    moment = _read_moment(cell)
    return moment[:10] if isinstance(moment, str) else None


def _read_choices(cell: Any) -> FieldValue:
    if not isinstance(cell, list | None) or not all(isinstance(each, str) for each in cell or []):
        raise CellUnfit("not a list of choices")
    return ", ".join(cell or []) or None


def _read_barcode(cell: Any) -> FieldValue:
    return _read_text(cell.get("text") if isinstance(cell, dict) else cell)


def _read_person(cell: Any) -> FieldValue:
    """A collaborator: `{"id", "email", "name"}`."""
    if not isinstance(cell, dict | None):
        raise CellUnfit("not a person")
    return _read_text((cell or {}).get("email") or (cell or {}).get("name"))


def _read_generated(cell: Any) -> FieldValue:
    """aiText: `{"state", "isStale", "value"}`; the value is empty while it is being made."""
    return _read_text(cell.get("value") if isinstance(cell, dict) else cell)


def _read_computed(cell: Any) -> FieldValue:
    """A formula, roll-up or lookup has a value of any type, or an object that names an error."""
    if isinstance(cell, list):
        parts = [_read_computed(each) for each in cell]
        return ", ".join(str(part) for part in parts if part is not None) or None
    if isinstance(cell, dict):
        return _read_text(cell.get("name") or cell.get("text") or cell.get("email"))
    if isinstance(cell, bool):
        return _read_flag(cell)
    return _number_text(cell) if isinstance(cell, int | float) else _read_text(cell)


def _write_text(value: FieldValue) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if len(text) > LONGEST_TEXT:
        raise CellUnfit(f"a text has at most {LONGEST_TEXT} characters")
    return text


def _write_number(value: FieldValue) -> Any:
    if isinstance(value, bool):
        raise CellUnfit("not a number")
    if isinstance(value, int | float):
        return value
    try:
        return int(str(value)) if str(value).lstrip("-").isdecimal() else _finite(float(str(value)))
    except ValueError:
        raise CellUnfit("not a number") from None


def _finite(number: float) -> float:
    if number - number != 0:
        raise CellUnfit("not a number")
    return number


def _write_flag(value: FieldValue) -> Any:
    known = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}
    found = known.get(value.strip().lower() if isinstance(value, str) else value)
    if found is None:
        raise CellUnfit("neither true nor false")
    return found


def _write_moment(value: FieldValue) -> Any:
    moment = moment_or_none(value)
    if moment is None:
        raise CellUnfit("not a time")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _write_date(value: FieldValue) -> Any:
    try:
        return datetime.fromisoformat(str(value)).date().isoformat()
    except ValueError:
        raise CellUnfit("not a date") from None


def _write_choices(value: FieldValue) -> Any:
    return [part.strip() for part in str(value).split(",") if part.strip()]


def _write_barcode(value: FieldValue) -> Any:
    return {"text": _write_text(value)}


_TEXT = CellType("text", _read_text, _write_text)
# "number, text, long text, single select, multiple select, date": an e-mail field is not among them.
# https://airtable.com/developers/web/api/update-multiple-records#request-performupsert-fieldstomergeon
_KEY_TEXT = CellType("text", _read_text, _write_text, upserts=True)
_NUMBER = CellType("number", _read_number, _write_number)
_PERSON = CellType("text", _read_person)
_COMPUTED = CellType("text", _read_computed)

CELL_TYPES: Mapping[str, CellType] = {
    "singleLineText": _KEY_TEXT,
    "multilineText": _KEY_TEXT,
    "richText": _TEXT,
    "email": _TEXT,
    "phoneNumber": _TEXT,
    "url": _TEXT,
    "number": CellType("number", _read_number, _write_number, upserts=True),
    "currency": _NUMBER,
    "percent": _NUMBER,
    "duration": _NUMBER,
    "rating": _NUMBER,
    "checkbox": CellType("flag", _read_flag, _write_flag),
    "date": CellType("date", _read_date, _write_date, upserts=True),
    "dateTime": CellType("moment", _read_moment, _write_moment),
    "singleSelect": CellType("choice", _read_text, _write_text, upserts=True),
    "multipleSelects": CellType("choices", _read_choices, _write_choices, upserts=True),
    "barcode": CellType("text", _read_barcode, _write_barcode),
    "singleCollaborator": _PERSON,
    "createdBy": _PERSON,
    "lastModifiedBy": _PERSON,
    "aiText": CellType("text", _read_generated),
    "externalSyncSource": CellType("choice", _read_text),
    "formula": _COMPUTED,
    "rollup": _COMPUTED,
    "multipleLookupValues": _COMPUTED,
    "autoNumber": CellType("number", _read_number),
    "count": CellType("number", _read_number),
    "createdTime": CellType("moment", _read_moment),
    "lastModifiedTime": CellType("moment", _read_moment),
}
"""Airtable's word for a type -> what its cells hold."""

UNMAPPED_TYPES = frozenset(
    {"button", "manualSort", "multipleAttachments", "multipleCollaborators", "multipleRecordLinks"}
)
"""Known, and deliberately not mapped."""
