"""Named SQL queries, and the rendering of values and rows into SQL text."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from uuid import UUID

from pg8000.native import literal

from crm_relay.platform.errors import RejectedInput

# What can stand in a statement, in the order in which it has to be tried. Only `rows` and `parameter` are replaced; a
# colon directly behind a word, a bracket or another colon belongs to a slice or a cast.
_TOKEN = re.compile(
    r"""
      (?<!\w)[eE]'(?:[^'\\]|\\.|'')*'
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | --[^\n]*
    | /\*.*?\*/
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
    | ::
    | (?P<values>\bvalues\s+)?(?<![\w\])\[]):(?P<rows>[a-z_][a-z0-9_]*)\s+as\s+(?P<alias>[a-z_]\w*)\s*
      \((?P<columns>\s*[a-z_]\w*\s+[a-z_][\w ]*(?:\[\])?\s*(?:,\s*[a-z_]\w*\s+[a-z_][\w ]*(?:\[\])?\s*)*)\)
    | (?<![\w\])\[]):(?P<parameter>[a-z_][a-z0-9_]*)
    """,
    re.VERBOSE | re.DOTALL,
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_HEADER = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)\n-- (?P<why>[^\n]+)\n", re.MULTILINE)


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


@dataclass(frozen=True)
class RowShape:
    """The columns that a parameter of rows declares: name and type, the latter without a length or a precision.

    `is_inserted`: the rows are those of an `insert … values`.
    """

    columns: tuple[tuple[str, str], ...]
    is_inserted: bool = False

    @classmethod
    def parse(cls, declared: str, *, is_inserted: bool = False) -> "RowShape":
        """Of the text between the brackets."""
        pairs = (column.split(maxsplit=1) for column in declared.split(","))
        return cls(tuple((name, kind.strip()) for name, kind in pairs), is_inserted)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.columns)

    @property
    def names(self) -> str:
        """As an alias names them."""
        return ", ".join(name for name, _ in self.columns)

    def render(self, value: Rows) -> str:
        """A bracketed `values` list whose first row gives the types; a select for a single row, and for none.

        Only the first row is cast: the other literals have no type of their own and take its types. TypeError where a
        row lacks a declared column or has another.
        """
        if not value.rows:
            nothing = f"select {', '.join(f'null::{kind}' for _, kind in self.columns)} where false"
            return nothing if self.is_inserted else f"({nothing})"
        for row in value.rows:
            if row.keys() != self._names:
                raise TypeError(f"a row has the columns {sorted(row)} instead of {sorted(self._names)}")
        if self.is_inserted:
            listed = (", ".join(_render_untyped(row[name], kind) for name, kind in self.columns) for row in value.rows)
            return f"values ({'), ('.join(listed)})"
        first, *others = value.rows
        head = ", ".join(f"{_render_untyped(first[name], kind)}::{kind}" for name, kind in self.columns)
        if not others:
            # The planner takes a single select for constants, but not a single row of values.
            return f"(select {head})"
        tail = (", ".join(_render_untyped(row[name], kind) for name, kind in self.columns) for row in others)
        return f"(values ({'), ('.join([head, *tail])}))"


@dataclass(frozen=True)
class Query:
    """One statement with named parameters.

    `pieces` alternates text and parameter name, text first and last; `shapes` holds the declared columns of each
    parameter in that order, None for a single value.
    """

    name: str
    why: str
    pieces: tuple[str, ...]
    shapes: tuple[RowShape | None, ...] = ()

    @classmethod
    def parse(cls, name: str, why: str, sql: str) -> "Query":
        """Split `sql` at its parameters, once, so that rendering is a join."""
        pieces: list[str] = []
        shapes: list[RowShape | None] = []
        text, start = "", 0
        for token in _TOKEN.finditer(sql):
            if parameter := token["rows"] or token["parameter"]:
                is_inserted = token["values"] is not None
                shape = RowShape.parse(token["columns"], is_inserted=is_inserted) if token["rows"] else None
                pieces += [text + sql[start : token.start()], parameter]
                shapes.append(shape)
                alias = f" as {token['alias']} ({shape.names})" if shape and not is_inserted else ""
                text, start = alias, token.end()
        return cls(name, why, (*pieces, text + sql[start:]), tuple(shapes))

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The names that have to be given, no more and no fewer."""
        return frozenset(self.pieces[1::2])

    @property
    def sql(self) -> str:
        """The statement with its parameters as `:name` again; those of rows without their types."""
        return "".join(f":{piece}" if index % 2 else piece for index, piece in enumerate(self.pieces))

    def bind(self, **values: SqlValue) -> "Statement":
        """The statement with its values, to be sent together with others."""
        return Statement(self, values)

    def render(self, values: Mapping[str, SqlValue]) -> str:
        """The statement's text. Raises TypeError where an argument is missing or superfluous."""
        if values.keys() != self.parameters:
            missing, superfluous = self.parameters - values.keys(), values.keys() - self.parameters
            raise TypeError(f"query {self.name}: missing {sorted(missing)}, superfluous {sorted(superfluous)}")
        parts = list(self.pieces)
        rendered: dict[tuple[str, int], str] = {}
        for place, shape in enumerate(self.shapes):
            name = self.pieces[2 * place + 1]
            known = rendered.get((name, id(shape)))
            if known is None:
                known = rendered[name, id(shape)] = self._render_one(name, shape, values[name])
            parts[2 * place + 1] = known
        return "".join(parts)

    def _render_one(self, name: str, shape: RowShape | None, value: SqlValue) -> str:
        if isinstance(value, Rows) != (shape is not None):
            raise TypeError(f"query {self.name}: {name} must {'' if shape else 'not '}be Rows")
        return shape.render(value) if shape and isinstance(value, Rows) else render_value(value)


@dataclass(frozen=True)
class Statement:
    """A query with its values; made by `Query.bind`."""

    query: Query
    values: Mapping[str, SqlValue]

    def render(self) -> str:
        """Its text. Errors as in `Query.render` and `render_value`."""
        return self.query.render(self.values)


def queries_beside(module_file: str, name: str = "queries.sql") -> dict[str, Query]:
    """The named queries of `queries.sql`, or of `name`, in the folder of `module_file` (pass `__file__`)."""
    return parse_queries(Path(module_file).with_name(name).read_text(encoding="utf-8"))


def parse_queries(text: str) -> dict[str, Query]:
    """Each query stands under two comment lines: `-- name: x`, then one line that says why it exists."""
    headers = list(_HEADER.finditer(text))
    ends = [header.start() for header in headers[1:]] + [len(text)]
    found = [
        Query.parse(header["name"], header["why"], text[header.end() : end].strip().removesuffix(";"))
        for header, end in zip(headers, ends, strict=True)
    ]
    if len({query.name for query in found}) != len(found):
        raise ValueError("a query name stands twice")
    return {query.name: query for query in found}


def render_value(value: SqlValue) -> str:
    """`value` as a SQL expression that stands safely anywhere an expression may stand.

    Relies on `standard_conforming_strings = on`, which Database asserts. RejectedInput for a NUL character,
    which PostgreSQL cannot hold and which would cut the protocol message; TypeError for a naive datetime and
    unknown types.
    """
    return _renderer_of(value, _EXPRESSIONS)(value)


def _render_untyped(value: SqlValue, kind: str) -> str:
    """`value` as a literal that takes the type of its column; an array, which has no such form, as one of `kind`."""
    known = _LITERALS.get(type(value))
    if known is not None:
        return known(value)
    if isinstance(value, list):
        return f"{render_value(value)}::{kind}"
    return _renderer_of(value, _LITERALS)(value)


def _renderer_of(value: object, renderers: Mapping[type, Callable[[Any], str]]) -> Callable[[Any], str]:
    """By the class of the value, or by the nearest that it inherits from."""
    known = renderers.get(type(value))
    if known is None:
        known = next((renderers[each] for each in type(value).__mro__ if each in renderers), None)
    if known is None:
        raise TypeError(f"a {type(value).__name__} cannot go to the database")
    return known


def _render_text(value: str) -> str:
    if "\0" in value:
        raise RejectedInput("a NUL character cannot be stored")
    if not value.isascii() and _SURROGATE.search(value):
        raise RejectedInput("a lone surrogate cannot be stored")
    return str(_text_literal(value))


def _render_json(value: Json) -> str:
    return _render_text(json.dumps(value.value, ensure_ascii=False, default=_json_default))


def _render_number(value: int | float | Decimal) -> str:
    if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        return f"'{value}'::{'numeric' if isinstance(value, Decimal) else 'float8'}"
    # `- :n` with a negative n would otherwise open a comment.
    return f"({literal(value)})" if value < 0 or str(value).startswith("-") else str(literal(value))


def _render_moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise TypeError("a naive datetime cannot go to the database")
    return f"'{value.isoformat()}'"


def _render_array(value: Sequence[SqlValue]) -> str:
    if value and all(type(item) is UUID for item in value):
        # One literal: a cast of each costs both sides several times as much.
        return f"'{{{','.join(map(str, value))}}}'::uuid[]"
    return f"array[{', '.join(render_value(item) for item in value)}]"


def _cast(kind: str, value: SqlValue) -> str:
    return f"{_renderer_of(value, _LITERALS)(value)}::{kind}"


_text_literal = literal.dispatch(str)
_TYPE_NAMES = {bytes: "bytea", datetime: "timestamptz", date: "date", UUID: "uuid", Json: "jsonb"}
_LITERALS: Mapping[type, Callable[[Any], str]] = {
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
    **dict.fromkeys((int, float, Decimal), _render_number),
    **{kind: partial(_cast, name) for kind, name in _TYPE_NAMES.items()},
}


def _json_default(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date | Decimal):
        return value.isoformat() if isinstance(value, date) else str(value)
    raise TypeError(f"a {type(value).__name__} cannot go into JSON")
