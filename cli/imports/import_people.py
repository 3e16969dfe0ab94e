"""crm-relay import: people of a file of their own into the CRM."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.console import FOUND, GOOD, AsJson, DryRun, EnvFile, console, open_database, reports_errors, show
from cli.imports.excel_file import SUFFIXES, open_excel
from crm_relay.imports.columns import FIELDS, header_of, map_columns
from crm_relay.imports.import_people import ImportRun, organization_of
from crm_relay.imports.left_out import place_of_bad_lines, write_left_out
from crm_relay.imports.models import ImportCounts, PersonKind
from crm_relay.imports.read_people import PeopleFile
from crm_relay.imports.text_file import open_text
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import RejectedInput

_SHOWN = 20
_PATIENCE = 120.0
_INTERRUPTED = 130

Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="OURS=THEIRS", help="Column of one of our fields; `ours=` for none. Repeatable."),
]
Org = Annotated[
    str | None, typer.Option("--org", help="Id or name of the organization. Needed where there is more than one.")
]


@reports_errors
def import_people(
    kind: PersonKind,
    file: Annotated[Path, typer.Argument(help="CSV file or Excel workbook whose first line names the columns.")],
    columns: Map = None,
    org: Org = None,
    dry_run: DryRun = False,
    restore: Annotated[bool, typer.Option("--restore", help="Bring deleted contacts back.")] = False,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Encoding of the file. Default: found.")] = None,
    sheet: Annotated[
        str | None, typer.Option("--sheet", help="Sheet of an Excel workbook. Default: the only one.")
    ] = None,
    bad_lines: Annotated[
        Path | None, typer.Option("--bad-lines", help="CSV file for bad lines. Default: beside FILE, with `.bad`.")
    ] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Import customers, contacts or prospects from a CSV file or an Excel workbook.

    People are matched by address. Safe to repeat after an interruption. Nobody who opted out or was erased comes back.
    Exit status 1: some lines are bad; they are in a file of their own. Exit status 2: nothing was imported.
    """
    people = open_people(file, kind, columns or [], encoding, sheet)
    place = None if dry_run else place_of_bad_lines(file, bad_lines)
    if not as_json:
        show_columns(people)
    with open_database(env_file, patience=_PATIENCE) as database, _progress(people, is_quiet=as_json) as on_batch:
        run = ImportRun(database, people, organization_of(database, org), utc_now(), dry_run, restore, on_batch)
        try:
            counts = run.run()
        except KeyboardInterrupt:
            _show(run.counts, None, people, as_json, "Interrupted: repeat the command to go on")
            return _INTERRUPTED
    written = write_left_out(people, counts.left_out, place) if place is not None and counts.left_out else None
    _show(counts, written, people, as_json, "Would be imported" if dry_run else "Imported")
    return FOUND if counts.bad else GOOD


def open_people(
    file: Path, kind: PersonKind, given: list[str], encoding: str | None = None, sheet: str | None = None
) -> PeopleFile:
    """With its columns found. RejectedInput for a file that cannot be read, or where no column is an address."""
    is_workbook = file.suffix.lower() in SUFFIXES
    if sheet is not None and not is_workbook:
        raise RejectedInput("--sheet is for Excel workbooks")
    text = open_excel(file, sheet) if is_workbook else open_text(file, encoding)
    return PeopleFile(text, kind, map_columns(kind, header_of(next(iter(text), "")), given))


def show_columns(people: PeopleFile) -> None:
    """Which column is read as what, and which are not read."""
    columns = header_of(next(iter(people.text), ""))
    ours = {theirs: name for name, theirs in people.mapping.items()}
    show([{"column": each, "becomes": ours.get(each, "(not imported)")} for each in columns], False, str(people.kind))
    left = ", ".join(name for name in FIELDS[people.kind] if name not in people.mapping)
    console.print(f"Read as {people.text.encoding}. Without a column: {left or 'nothing'}", highlight=False)


@contextmanager
def _progress(people: PeopleFile, *, is_quiet: bool) -> Iterator[Callable[[ImportCounts], None]]:
    """A line on standard error while somebody watches it."""
    watched = Console(stderr=True)
    if is_quiet or not watched.is_terminal:
        yield lambda _: None
        return
    began, total = time.monotonic(), max(people.text.lines - 1, 1)
    with watched.status("reading") as status:

        def on_batch(counts: ImportCounts) -> None:
            rate = counts.read / max(time.monotonic() - began, 0.001)
            status.update(f"{counts.read:,} of {total:,} lines, {rate:,.0f} a second, {counts.bad:,} bad")

        yield on_batch


def _show(counts: ImportCounts, written: Path | None, people: PeopleFile, as_json: bool, title: str) -> None:
    result: dict[str, Any] = asdict(counts)
    left_out = result.pop("left_out")
    result["bad_lines_file"] = None if written is None else str(written)
    if as_json:
        whole = {"columns": dict(people.mapping), "encoding": people.text.encoding, **result, "left_out": left_out}
        typer.echo(json.dumps(whole, indent=2, ensure_ascii=False))
        return
    plain = {name: value for name, value in result.items() if value or name in {"read", "new", "changed", "unchanged"}}
    show(plain, False, title)
    for each in left_out[:_SHOWN]:
        console.print(f"line {each['line']}: {each['reason']}", highlight=False, markup=False)
    if len(left_out) > _SHOWN:
        console.print(f"and {len(left_out) - _SHOWN:,} more lines", highlight=False)
