"""Results as tables and lines for a person, or as JSON."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH = 100
_SHORT = 8
# So many columns stay although they hold nothing but zeros.
_MOST_COLUMNS = 7

# Where nobody watches there is no width of a terminal: the one that tables are made for.
console = Console(width=None if "COLUMNS" in os.environ or sys.stdout.isatty() else _WIDTH)


def show(result: Any, as_json: bool, title: str) -> None:
    """A mapping as lines, a list of mappings as a table, or either as JSON."""
    if as_json:
        typer.echo(json.dumps(result, default=str, indent=2, ensure_ascii=False))
    elif isinstance(result, Mapping):
        _lines(result, title)
    else:
        _table(list(result), title)


def short_id(whole: UUID | str) -> str:
    """The beginning of an id, for commands that take it back."""
    return str(whole)[:_SHORT]


def _lines(result: Mapping[str, Any], title: str) -> None:
    """Without what is empty or zero, as long as something is left."""
    table = Table(show_header=False)
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    said = {name: value for name, value in result.items() if not _says_nothing(value)}
    for name, value in (said or result).items():
        table.add_row(Text(name.replace("_", " ")), Text(_text(value)))
    _print(table, title)


def _table(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Without columns that are empty in every row, and in a wide table those of zeros."""
    if not rows:
        console.print(f"{title}: nothing")
        return
    names = [name for name in rows[0] if any(_text(row[name]) for row in rows)] or list(rows[0])
    if len(names) > _MOST_COLUMNS:
        names = [name for name in names if any(not _says_nothing(row[name]) for row in rows)]
    table = Table()
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        # What a cell holds is text, whatever brackets are in it.
        table.add_row(*(Text(_text(row[name])) for name in names))
    _print(table, title)


def _print(table: Table, title: str) -> None:
    """The title as a line of its own: above a narrow table it would be broken."""
    if title:
        console.print(title, style="italic", markup=False, highlight=False, soft_wrap=True)
    console.print(table)


def _says_nothing(value: Any) -> bool:
    return value is not False and (value is None or value in (0, "", [], (), {}))


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return moment(value)
        case Mapping():
            counts = {key: each for key, each in value.items() if not _says_nothing(each)}
            return "\n".join(f"{key}: {_text(each)}" for key, each in counts.items()) or "nothing"
        case list() | tuple() if value and isinstance(value[0], Mapping):
            return "\n".join(", ".join(f"{key} {each[key]}" for key in each) for each in value)
        case list() | tuple():
            return ", ".join(map(str, value))
    return str(value)


def moment(at: datetime) -> str:
    """To the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z" if at.tzinfo is not None else f"{at:%Y-%m-%d %H:%M:%S}"
