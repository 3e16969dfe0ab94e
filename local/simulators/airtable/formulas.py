"""As much of Airtable's formula language as filters of listings need; everything else is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.simulators.airtable.cells import shown
from local.simulators.airtable.state import SimulatedRecord, SimulatedTable
from local.simulators.airtable.wire import AirtableApiError

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|(?P<field>\{(?:\\.|[^}\\])*\})"""
    r"""|(?P<name>[A-Za-z_]+)|(?P<sign><=|>=|!=|[-+*/&=<>(),]))"""
)


@dataclass(frozen=True)
class FormulaRow:
    """What a formula is evaluated for."""

    table: SimulatedTable
    record: SimulatedRecord
    now: datetime


Node = Callable[[FormulaRow], Any]


def parse(formula: str, table: SimulatedTable) -> Callable[[SimulatedRecord, datetime], bool]:
    """Whether a row is listed: where the result is not 0, false, "" or empty [D]. Raises AirtableApiError with 422."""
    parser = _Parser(formula, table)
    node = parser.expression()
    if parser.position < len(parser.tokens):
        raise invalid("Invalid formula. Please check your formula text.")
    return lambda record, now: bool(node(FormulaRow(table, record, now)))


def invalid(why: str) -> AirtableApiError:
    return AirtableApiError(422, "INVALID_FILTER_BY_FORMULA", f"The formula for filtering records is invalid: {why}")


class _Parser:
    def __init__(self, formula: str, table: SimulatedTable) -> None:
        self.table = table
        self.tokens: list[tuple[str, str]] = []
        self.position = 0
        end = 0
        while formula[end:].strip():
            found = _TOKEN.match(formula, end)
            if found is None:
                raise invalid("Invalid formula. Please check your formula text.")
            self.tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            end = found.end()

    def _take(self, *signs: str) -> str | None:
        if self.position < len(self.tokens) and self.tokens[self.position] in [("sign", each) for each in signs]:
            self.position += 1
            return self.tokens[self.position - 1][1]
        return None

    def _need(self, sign: str) -> None:
        if self._take(sign) is None:
            raise invalid("Invalid formula. Please check your formula text.")

    def expression(self) -> Node:
        left = self._joined()
        sign = self._take("=", "!=", "<", "<=", ">", ">=")
        return left if sign is None else _compare(sign, left, self._joined())

    def _joined(self) -> Node:
        parts = [self._value()]
        while self._take("&"):
            parts.append(self._value())
        return parts[0] if len(parts) == 1 else lambda row: "".join(str(part(row) or "") for part in parts)

    def _value(self) -> Node:
        if self._take("("):
            inner = self.expression()
            self._need(")")
            return inner
        negative = self._take("-") is not None
        if self.position >= len(self.tokens):
            raise invalid("Invalid formula. Please check your formula text.")
        kind, text = self.tokens[self.position]
        self.position += 1
        if kind == "number":
            number = float(text) * (-1 if negative else 1)
            return lambda _: number
        if kind == "text":
            plain = re.sub(r"\\(.)", r"\1", text[1:-1])
            return lambda _: plain
        if kind == "field":
            return self._field(re.sub(r"\\(.)", r"\1", text[1:-1]))
        if kind == "name":
            return self._call(text) if self._take("(") else self._field(text)
        raise invalid("Invalid formula. Please check your formula text.")

    def _field(self, name: str) -> Node:
        found = self.table.field(name)
        if found is None:
            raise invalid(f"Unknown field names: {name.lower()}")
        return lambda row: shown(found, row.record)

    def _call(self, name: str) -> Node:
        arguments: list[Node] = []
        if not self._take(")"):
            arguments.append(self.expression())
            while self._take(","):
                arguments.append(self.expression())
            self._need(")")
        function = _FUNCTIONS.get(name.upper())
        if function is None:
            raise invalid(f"Unknown function names: {name.upper()}")
        return lambda row: function(row, *(each(row) for each in arguments))


def _compare(sign: str, left: Node, right: Node) -> Node:
    def node(row: FormulaRow) -> bool:
        one, two = (_plain(each(row)) for each in (left, right))
        if sign in {"=", "!="}:
            same = one == two or (one in (None, "") and two in (None, ""))
            return same is (sign == "=")
        try:
            return bool({"<": one < two, "<=": one <= two, ">": one > two, ">=": one >= two}[sign])
        except TypeError:
            return False

    return node


def _plain(value: Any) -> Any:
    """A list is compared as its text [D]."""
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def moment(value: Any) -> datetime | None:
    """Of a date, or of a text in ISO 8601; in UTC where no zone is named."""
    if isinstance(value, datetime):
        return value
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _is_after(row: FormulaRow, one: Any, two: Any) -> bool:
    del row
    first, second = moment(one), moment(two)
    return first is not None and second is not None and first > second


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "AND": lambda _, *each: all(each),
    "OR": lambda _, *each: any(each),
    "NOT": lambda _, one: not one,
    "TRUE": lambda _: True,
    "FALSE": lambda _: False,
    "BLANK": lambda _: None,
    "RECORD_ID": lambda row: row.record.id,
    "CREATED_TIME": lambda row: row.record.created,
    "LAST_MODIFIED_TIME": lambda row, *_: row.record.modified,
    "NOW": lambda row: row.now,
    "DATETIME_PARSE": lambda _, text, *__: moment(text),
    "IS_AFTER": _is_after,
    "IS_BEFORE": lambda row, one, two: _is_after(row, two, one),
    "LOWER": lambda _, text: str(text or "").lower(),
    "UPPER": lambda _, text: str(text or "").upper(),
    "TRIM": lambda _, text: str(text or "").strip(),
    "LEN": lambda _, text: len(str(text or "")),
    "FIND": lambda _, what, where: str(where or "").find(str(what)) + 1,
}
