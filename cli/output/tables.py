"""Results as tables and lines for a person, or as JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

console = Console()


def show(result: Any, as_json: bool, title: str) -> None:
    """A mapping as lines, a list of mappings as a table, or either as JSON."""
    if as_json:
        typer.echo(json.dumps(result, default=str, indent=2, ensure_ascii=False))
    elif isinstance(result, Mapping):
        _lines(result, title)
    else:
        _table(list(result), title)


def _lines(result: Mapping[str, Any], title: str) -> None:
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    for name, value in result.items():
        table.add_row(name.replace("_", " "), _text(value))
    console.print(table)


def _table(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    if not rows:
        console.print(f"{title}: nothing")
        return
    table = Table(*(name.replace("_", " ") for name in rows[0]), title=title, title_justify="left")
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    console.print(table)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        return "\n".join(", ".join(f"{key} {each[key]}" for key in each) for each in value)
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_text(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
