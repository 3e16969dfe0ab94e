"""Named SQL queries, and the one function that renders a value into SQL text."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from pg8000.native import literal

from crm_relay.platform.errors import RejectedInput

# What can stand in a statement, in the order in which it has to be tried. Only `parameter` is replaced; a colon
# directly behind a word, a bracket or another colon belongs to a slice or a cast.
_TOKEN = re.compile(
    r"""
      (?<!\w)[eE]'(?:[^'\\]|\\.|'')*'
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | --[^\n]*
    | /\*.*?\*/
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
    | ::
    | (?<![\w\])\[]):(?P<parameter>[a-z_][a-z0-9_]*)
    """,
    re.VERBOSE | re.DOTALL,
)
_HEADER = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)\n-- (?P<why>[^\n]+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Json:
    """A value that goes to PostgreSQL as one jsonb parameter: how a whole batch travels in one statement."""

    value: object


SqlValue = (
    None
    | bool
    | int
    | float
    | Decimal
    | str
    | bytes
    | datetime
    | date
    | UUID
    | Json
    | list[str]
    | list[int]
    | list[UUID]
)


@dataclass(frozen=True)
class Query:
    """One statement with named parameters; `pieces` alternates text and parameter name, text first and last."""

    name: str
    why: str
    pieces: tuple[str, ...]

    @classmethod
    def parse(cls, name: str, why: str, sql: str) -> "Query":
        """Split `sql` at its parameters, once, so that rendering is a join."""
        pieces, start = [], 0
        for token in _TOKEN.finditer(sql):
            if token["parameter"]:
                pieces += [sql[start : token.start()], token["parameter"]]
                start = token.end()
        return cls(name, why, (*pieces, sql[start:]))

    @property
    def parameters(self) -> frozenset[str]:
        """The names that have to be given, no more and no fewer."""
        return frozenset(self.pieces[1::2])

    @property
    def sql(self) -> str:
        """The statement with its parameters as `:name` again."""
        return "".join(f":{piece}" if index % 2 else piece for index, piece in enumerate(self.pieces))

    def render(self, values: Mapping[str, SqlValue]) -> str:
        """The statement's text. Raises TypeError where an argument is missing or superfluous."""
        if values.keys() != self.parameters:
            missing, superfluous = self.parameters - values.keys(), values.keys() - self.parameters
            raise TypeError(f"query {self.name}: missing {sorted(missing)}, superfluous {sorted(superfluous)}")
        rendered = {name: render_value(value) for name, value in values.items()}
        return "".join(rendered[piece] if index % 2 else piece for index, piece in enumerate(self.pieces))


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


def render_value(value: SqlValue) -> str:  # noqa: C901 - one case a type
    """`value` as a SQL expression that stands safely anywhere an expression may stand.

    Relies on `standard_conforming_strings = on`, which Database asserts. RejectedInput for a NUL character,
    which PostgreSQL cannot hold and which would cut the protocol message; TypeError for a naive datetime and
    unknown types.
    """
    match value:
        case None | bool():
            return str(literal(value))
        case int() | float() | Decimal():
            return _render_number(value)
        case str():
            return _render_text(value)
        case bytes():
            return rf"'\x{value.hex()}'::bytea"
        case datetime():
            if value.tzinfo is None:
                raise TypeError("a naive datetime cannot go to the database")
            return f"'{value.isoformat()}'::timestamptz"
        case date():
            return f"'{value.isoformat()}'::date"
        case UUID():
            return f"'{value}'::uuid"
        case Json():
            return f"{_render_text(json.dumps(value.value, ensure_ascii=False, default=_json_default))}::jsonb"
        case list():
            return f"array[{', '.join(render_value(item) for item in value)}]"
    raise TypeError(f"a {type(value).__name__} cannot go to the database")


def _render_text(value: str) -> str:
    if "\0" in value:
        raise RejectedInput("a NUL character cannot be stored")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RejectedInput("a lone surrogate cannot be stored") from None
    return str(literal(value))


def _render_number(value: int | float | Decimal) -> str:
    if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        return f"'{value}'::{'numeric' if isinstance(value, Decimal) else 'float8'}"
    # `- :n` with a negative n would otherwise open a comment.
    return f"({literal(value)})" if value < 0 or str(value).startswith("-") else str(literal(value))


def _json_default(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot go into JSON")
