"""What all commands share: where settings come from, how results are shown, what exit codes mean."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crm_relay.installation.installation import Installation, install
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.platform.fence.clone_fence import ensure_armed
from crm_relay.platform.logging import logger
from crm_relay.platform.settings import SettingsModel
from local.stack import read_env_file, running_stack

GOOD, FOUND, WRONG_USE = 0, 1, 2

EnvFile = Annotated[
    Path | None, typer.Option("--env-file", help="File of NAME=value lines, which override the environment.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and change nothing.")]

console = Console()
P = ParamSpec("P")
S = TypeVar("S", bound=SettingsModel)


class DatabaseSettings(SettingsModel):
    """Settings of the commands that need only the database."""

    database_url: str
    database_ca_file: str | None = None


def use_settings(env_file: Path | None) -> None:
    """Fill the process's environment: from the file, else from a stack that runs here."""
    if env_file is not None:
        if not env_file.is_file():
            raise typer.BadParameter(f"{env_file} is not there", param_hint="--env-file")
        os.environ.update(read_env_file(env_file))
    elif not os.environ.get("DATABASE_URL") and (stack := running_stack()) is not None:
        environment = stack.get("environment")
        for name, value in (environment if isinstance(environment, dict) else {}).items():
            os.environ.setdefault(name, str(value))


@contextmanager
def _standard_output_for_results() -> Iterator[None]:
    """In Lambda log and metrics go there; during a command the log goes to standard error, and nothing is counted."""
    os.environ.setdefault("POWERTOOLS_METRICS_DISABLED", "true")
    handler = logger().registered_handler
    if not isinstance(handler, logging.StreamHandler):
        yield
        return
    # Not by setStream, which flushes the former one: of an earlier command in this process that is closed.
    before, handler.stream = handler.stream, sys.stderr
    try:
        yield
    finally:
        handler.stream = before


def installation_of(
    env_file: Path | None, kind: type[S], *, database_seconds: float = 65.0, request_seconds: float | None = None
) -> Installation[S]:
    """What these settings lead to; they are read, and anything is connected, when it is used."""
    use_settings(env_file)
    return install(kind, database_seconds=database_seconds, request_seconds=request_seconds)


@contextmanager
def open_database(env_file: Path | None, *, patience: float = 60.0) -> Iterator[Database]:
    """The database of the settings; `patience`: seconds that one statement may take."""
    installation = installation_of(env_file, DatabaseSettings, database_seconds=patience)
    try:
        yield installation.database
    finally:
        installation.close()


def ensure_may_act(env_file: Path | None) -> None:
    """Asked before a command changes something at a provider. Raises NotArmed where the database is a copy."""
    with open_database(env_file) as database:
        ensure_armed(database)


def reports_errors(command: Callable[P, int | None]) -> Callable[P, None]:
    """A command whose result is its exit code, and whose errors are printed in one line."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        with _standard_output_for_results():
            try:
                code = command(*arguments, **options)
            except RejectedInput as error:
                _print_error("\n  ".join((error.message, *error.details)))
                raise typer.Exit(WRONG_USE) from None
            except FatalError as error:
                _print_error(str(error))
                raise typer.Exit(WRONG_USE) from None
            except TransientError as error:
                _print_error(f"{error}; try again")
                raise typer.Exit(FOUND) from None
        raise typer.Exit(code or GOOD)

    return run


def _print_error(message: str) -> None:
    # What stands in brackets is a path or a rule of ours, not markup.
    Console(stderr=True).print(f"[red]crm-relay:[/] {escape(message)}", highlight=False, soft_wrap=True)


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
