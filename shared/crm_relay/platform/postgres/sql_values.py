"""Values as SQL text."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from crm_relay.platform.errors import RejectedInput

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Json:
    """A value that goes to PostgreSQL as one jsonb parameter: how a whole batch travels in one statement."""

    value: object


@dataclass(frozen=True)
class Rows:
    """Rows for a parameter that declares its columns: `from :mails as mail (id uuid, seen_at timestamptz)`.

    Each row has exactly the declared columns, in any order. They travel as a typed `values` list, which the planner
    sees row by row; a batch of many hundreds goes as Json, whose text is shorter. An insert of nothing but rows takes
    half the time as `insert into mails (id, seen_at) values :mails as mail (id uuid, seen_at timestamptz)`, where the
    literals take the types of the table.
    """

    rows: Sequence[Mapping[str, "SqlValue"]]


_Scalar = None | bool | int | float | Decimal | str | bytes | datetime | date | UUID
SqlValue = _Scalar | Json | Rows | list[str] | list[int] | list[UUID]


def render_value(value: SqlValue) -> str:
    """`value` as a SQL expression that stands safely anywhere an expression may stand.

    Relies on `standard_conforming_strings = on`, which Database asserts. RejectedInput for a NUL character,
    which PostgreSQL cannot hold and which would cut the protocol message; TypeError for a naive datetime and
    unknown types.
    """
    return (_EXPRESSIONS.get(type(value)) or _renderer_of(value, _EXPRESSIONS))(value)


def render_untyped(value: SqlValue, kind: str) -> str:
    """`value` as a literal that takes the type of its column; an array, which has no such form, as one of `kind`.

    For a value whose class is not in `LITERALS`.
    """
    if isinstance(value, list):
        return f"{render_value(value)}::{kind}"
    return _renderer_of(value, LITERALS)(value)


def _renderer_of(value: object, renderers: Mapping[type, Callable[[Any], str]]) -> Callable[[Any], str]:
    """By the class of the value, or by the nearest that it inherits from."""
    known = next((renderers[each] for each in type(value).__mro__ if each in renderers), None)
    if known is None:
        raise TypeError(f"a {type(value).__name__} cannot go to the database")
    return known


def _render_text(value: str) -> str:
    if "\0" in value:
        raise RejectedInput("a NUL character cannot be stored")
    if not value.isascii() and _SURROGATE.search(value):
        raise RejectedInput("a lone surrogate cannot be stored")
    return "'" + value.replace("'", "''") + "'"


def _render_json(value: Json) -> str:
    return _render_text(_ENCODER.encode(value.value))


def _render_integer(value: int) -> str:
    # `- :n` with a negative n would otherwise open a comment.
    return f"({value})" if value < 0 else str(value)


def _render_number(value: float | Decimal) -> str:
    if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        return f"'{value}'::{'numeric' if isinstance(value, Decimal) else 'float8'}"
    text = str(value)
    return f"({text})" if text.startswith("-") else text


def _render_moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise TypeError("a naive datetime cannot go to the database")
    return f"'{value.isoformat()}'"


def _render_array(value: Sequence[SqlValue]) -> str:
    if value and type(value[0]) is UUID and all(type(item) is UUID for item in value):
        # One literal: a cast of each costs both sides several times as much.
        return f"'{{{','.join(map(str, value))}}}'::uuid[]"
    return f"array[{', '.join([render_value(item) for item in value])}]"


def _cast(kind: str, literal: Callable[[Any], str], value: SqlValue) -> str:
    return f"{literal(value)}::{kind}"


_TYPE_NAMES = {bytes: "bytea", datetime: "timestamptz", date: "date", UUID: "uuid", Json: "jsonb"}
LITERALS: Mapping[type, Callable[[Any], str]] = {
    type(None): lambda _value: "null",
    **dict.fromkeys((bool, int, float, Decimal, UUID), lambda value: f"'{value}'"),
    str: _render_text,
    bytes: lambda value: rf"'\x{value.hex()}'",
    datetime: _render_moment,
    date: lambda value: f"'{value.isoformat()}'",
    Json: _render_json,
}
_EXPRESSIONS: Mapping[type, Callable[[Any], str]] = {
    type(None): lambda _value: "NULL",
    bool: lambda value: "TRUE" if value else "FALSE",
    str: _render_text,
    list: _render_array,
    int: _render_integer,
    **dict.fromkeys((float, Decimal), _render_number),
    **{kind: partial(_cast, name, LITERALS[kind]) for kind, name in _TYPE_NAMES.items()},
}


def _json_default(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date | Decimal):
        return value.isoformat() if isinstance(value, date) else str(value)
    raise TypeError(f"a {type(value).__name__} cannot go into JSON")


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=_json_default)
