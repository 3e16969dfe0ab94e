"""Named SQL queries, and how rows are written into their text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from crm_relay.platform.postgres.sql_values import LITERALS, Json, Rows, SqlValue, render_untyped, render_value

__all__ = [
    "Json",
    "Query",
    "RowShape",
    "Rows",
    "SqlValue",
    "Statement",
    "parse_queries",
    "queries_beside",
    "render_value",
]

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
_HEADER = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)\n-- (?P<why>[^\n]+)\n", re.MULTILINE)


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

    @property
    def names(self) -> str:
        """As an alias names them."""
        return ", ".join(name for name, _ in self.columns)

    @cached_property
    def _layout(self) -> tuple[tuple[str, ...], str, str]:
        """The names in order, and how the first row and any other is written."""
        kinds = [kind.replace("%", "%%") for _, kind in self.columns]
        first = ", ".join("%s" if self.is_inserted else f"%s::{kind}" for kind in kinds)
        return tuple(name for name, _ in self.columns), first, ", ".join("%s" for _ in kinds)

    def render(self, value: Rows) -> str:
        """A bracketed `values` list whose first row gives the types; a select for a single row, and for none.

        Only the first row is cast: the other literals have no type of their own and take its types. TypeError where a
        row lacks a declared column or has another.
        """
        if not value.rows:
            nothing = f"select {', '.join(f'null::{kind}' for _, kind in self.columns)} where false"
            return nothing if self.is_inserted else f"({nothing})"
        _, first, other = self._layout
        rows = [self._literals(row) for row in value.rows]
        if self.is_inserted:
            return f"values ({'), ('.join([first % row for row in rows])})"
        head = first % rows[0]
        if len(rows) == 1:
            # The planner takes a single select for constants, but not a single row of values.
            return f"(select {head})"
        return f"(values ({'), ('.join([head, *(other % row for row in rows[1:])])}))"

    def _literals(self, row: Mapping[str, "SqlValue"]) -> tuple[str, ...]:
        names = self._layout[0]
        try:
            values = [row[name] for name in names]
        except KeyError:
            values = []
        if len(row) != len(names) or not values:
            raise TypeError(f"a row has the columns {sorted(row)} instead of {sorted(names)}")
        return tuple(
            [
                LITERALS[type(value)](value) if type(value) in LITERALS else render_untyped(value, kind)
                for value, (_, kind) in zip(values, self.columns, strict=True)
            ]
        )


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

    @cached_property
    def _layout(self) -> tuple[str, tuple[tuple[str, RowShape | None], ...], tuple[int, ...]]:
        """The text with a mark for each parameter, what has to be rendered, and which of that goes to each mark."""
        shapes = self.shapes or (None,) * (len(self.pieces) // 2)
        uses = list(zip(self.pieces[1::2], shapes, strict=True))
        different = tuple(dict.fromkeys(uses))
        text = "%s".join(piece.replace("%", "%%") for piece in self.pieces[::2])
        return text, different, tuple(different.index(use) for use in uses)

    def render(self, values: Mapping[str, SqlValue]) -> str:
        """The statement's text. Raises TypeError where an argument is missing or superfluous."""
        if values.keys() != self.parameters:
            missing, superfluous = self.parameters - values.keys(), values.keys() - self.parameters
            raise TypeError(f"query {self.name}: missing {sorted(missing)}, superfluous {sorted(superfluous)}")
        text, different, places = self._layout
        rendered = [
            render_value(values[name]) if shape is None else shape.render(self._rows(name, values[name]))
            for name, shape in different
        ]
        return text % tuple([rendered[place] for place in places])

    def _rows(self, name: str, value: SqlValue) -> Rows:
        if not isinstance(value, Rows):
            raise TypeError(f"query {self.name}: {name} must be Rows")
        return value


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
