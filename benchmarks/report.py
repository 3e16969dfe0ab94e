"""Shows figures as a table and keeps them in build/bench.json."""

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure
from benchmarks.servers import ROOT

RESULT = ROOT / "build" / "bench.json"


def show(console: Console, machine: str, figures: Sequence[Figure]) -> None:
    """The machine, then a line a figure; the goal says at most what, and whether it holds."""
    table = Table(box=None, pad_edge=False)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("n", justify="right")
    table.add_column("goal")
    for figure in figures:
        table.add_row(figure.name, f"{figure.value:,.4g}", figure.unit, str(figure.runs), _verdict(figure))
    console.print(machine, soft_wrap=True, highlight=False)
    console.print(table)


def keep(figures: Sequence[Figure]) -> None:
    """Exactly what this run measured: figures of an older run would be of other code."""
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({figure.name: figure.as_json() for figure in figures}, indent=2) + "\n")


def _verdict(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return f"<= {figure.goal:g} {'[green]holds[/]' if figure.value <= figure.goal else '[red]missed[/]'}"
