"""What all commands share: where settings come from, how results are shown, what exit codes mean."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer
from typer.exceptions import TyperException

from cli.output.errors import FOUND, WRONG_USE, is_closed_pipe, print_report, report_of
from cli.output.tables import console, show
from crm_relay.installation.installation import Installation, install
from crm_relay.platform.database import Database
from crm_relay.platform.fence.clone_fence import ensure_armed
from crm_relay.platform.logging import logger
from crm_relay.platform.settings import SettingsModel
from local.settings_file import read_env_file
from local.stack_file import running_stack

__all__ = ["FOUND", "WRONG_USE", "console", "show"]

GOOD = 0

EnvFile = Annotated[
    Path | None, typer.Option("--env-file", help="File of NAME=value lines, which override the environment.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and change nothing.")]

P = ParamSpec("P")
S = TypeVar("S", bound=SettingsModel)


class DatabaseSettings(SettingsModel):
    """Settings of the commands that need only the database."""

    database_url: str
    database_ca_file: str | None = None


def use_settings(env_file: Path | None) -> None:
    """Fill the process's environment: from the file, else from a stack that runs here."""
    if env_file is not None:
        os.environ.update(read_env_file(env_file))
    elif not os.environ.get("DATABASE_URL") and (stack := running_stack()) is not None:
        environment = stack.get("environment")
        for name, value in (environment if isinstance(environment, dict) else {}).items():
            os.environ.setdefault(name, str(value))


@contextmanager
def _standard_output_for_results() -> Iterator[None]:
    """In Lambda log and metrics go there; during a command warnings go to standard error, and nothing is counted."""
    os.environ.setdefault("POWERTOOLS_METRICS_DISABLED", "true")
    handler = logger().registered_handler
    if not isinstance(handler, logging.StreamHandler):
        yield
        return
    # Not by setStream, which flushes the former one: of an earlier command in this process that is closed.
    before, handler.stream = handler.stream, sys.stderr
    level = logger().log_level
    # The level of the settings is for functions, whose runs nobody watches; a command prints what it did.
    logger().setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        handler.stream = before
        logger().setLevel(level)


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
            except (typer.Exit, typer.Abort, TyperException):
                raise
            except Exception as error:
                if is_closed_pipe(error):
                    raise
                report = report_of(error, has_env_file=options.get("env_file") is not None)
                print_report(report, as_json=bool(options.get("as_json")))
                raise typer.Exit(report.code) from None
        raise typer.Exit(code or GOOD)

    return run
