"""Reads a list of opt-outs as other tools export it; a damaged line costs no other line."""

import csv
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from crm_relay.platform.errors import RejectedInput

_DELIMITERS = ",;\t"
_LONGEST_RECORD = 500
"""Lines. A quote that is still open after so many was never closed."""

T = TypeVar("T")


@dataclass(frozen=True)
class BadLine:
    """A line that was left out; `reason` names the column, never its value."""

    line: int
    reason: str


@dataclass(frozen=True)
class GoodLine(Generic[T]):
    """What was read from a record that begins on this line."""

    line: int
    value: T


@dataclass(frozen=True)
class _Layout:
    columns: tuple[str, ...]
    delimiter: str

    def cells(self, lines: Iterator[str]) -> list[str]:
        return next(csv.reader(lines, delimiter=self.delimiter, strict=True), [])

    def named(self, cells: list[str]) -> Mapping[str, str]:
        """RejectedInput where cells have moved: a delimiter that is not quoted moves all that follow."""
        if any(cell.strip() for cell in cells[len(self.columns) :]):
            raise RejectedInput("has more cells than there are columns")
        return dict(zip(self.columns, cells, strict=False))


def read_list(
    lines: Iterable[str], required: Collection[str], read: Callable[[Mapping[str, str]], T]
) -> Iterator[GoodLine[T] | BadLine]:
    """Each record of a CSV file as `read` returns it, in order. Commas, semicolons or tabs separate the cells.

    `read` gets the cells by column and raises RejectedInput for a record that cannot be used. A record over several
    lines that cannot be used, or that holds a line which is a record itself, comes from a quote that was left open: its
    first line is bad, and reading goes on at the second. RejectedInput where a `required` column is missing.
    """
    numbered = enumerate(lines, start=1)
    layout = _layout(next(numbered, (1, ""))[1], required)
    waiting: deque[tuple[int, str]] = deque()
    while (first := waiting.popleft() if waiting else next(numbered, None)) is not None:
        span = [first]
        outcome = _read_record(_pull(span, waiting, numbered), layout, read)
        if not isinstance(outcome, str) and any(_is_record(text, layout, read) for _, text in span[1:]):
            outcome = "holds a quote that is not closed"
        if isinstance(outcome, str):
            waiting.extendleft(reversed(span[1:]))
            yield BadLine(first[0], outcome)
        elif outcome:
            yield GoodLine(first[0], outcome[0])


def _layout(header: str, required: Collection[str]) -> _Layout:
    for delimiter in _DELIMITERS:
        try:
            cells = _Layout((), delimiter).cells(iter([header.lstrip("\ufeff")]))
        except csv.Error:
            continue
        columns = tuple(cell.strip().lower() for cell in cells)
        if set(required).issubset(columns):
            return _Layout(columns, delimiter)
    # What is there instead may be a person's data: it is not quoted.
    raise RejectedInput(f"the first line must name the columns {', '.join(sorted(required))}")


def _pull(
    span: list[tuple[int, str]], waiting: deque[tuple[int, str]], numbered: Iterator[tuple[int, str]]
) -> Iterator[str]:
    """The lines of a record as the parser asks for them; `span` keeps all but the first, which it has."""
    yield span[0][1]
    while len(span) < _LONGEST_RECORD and (line := waiting.popleft() if waiting else next(numbered, None)) is not None:
        span.append(line)
        yield line[1]


def _read_record(lines: Iterator[str], layout: _Layout, read: Callable[[Mapping[str, str]], T]) -> tuple[T, ...] | str:
    """One value, none for an empty line, or why the record cannot be used."""
    try:
        cells = layout.cells(lines)
        return (read(layout.named(cells)),) if any(cell.strip() for cell in cells) else ()
    except csv.Error:
        return "not valid CSV"
    except RejectedInput as error:
        return error.message


def _is_record(line: str, layout: _Layout, read: Callable[[Mapping[str, str]], T]) -> bool:
    """Whether a line in the middle of a quoted text is a record that the quote swallowed."""
    try:
        cells = layout.cells(iter([line]))
        read(layout.named(cells))
    except csv.Error:
        return False
    except RejectedInput:
        return len(cells) >= len(layout.columns)
    return True
