"""Errors as an operator reads them: one line and an exit status, or JSON; never a traceback."""

import errno
import json
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup
from typer.exceptions import TyperException

from crm_relay.platform.errors import FatalError, RejectedInput, SchemaMismatch, TransientError
from local.stack_file import ROOT, STACK_FILE

FOUND, WRONG_USE, INTERRUPTED = 1, 2, 130
_NO_DATABASE = (
    "no local stack runs and no database is set: run `make up` in another terminal, or name a file of settings with "
    "--env-file"
)
_NOT_MIGRATED = "the database is older or newer than this version: run crm-relay migrate, then see crm-relay doctor"


@dataclass(frozen=True)
class ErrorReport:
    """What is printed about an error; `code` is the exit status."""

    message: str
    code: int = WRONG_USE
    details: tuple[str, ...] = ()


def report_of(error: Exception, *, has_env_file: bool = False) -> ErrorReport:
    """In the operator's words. What nobody foresaw is a defect: its traceback goes into a file."""
    # pydantic is a third of what the help alone would cost.
    from crm_relay.platform.settings import SECRET_ID, SettingsWrong

    match error:
        case RejectedInput():
            return ErrorReport(error.message, details=error.details)
        case SettingsWrong() if "DATABASE_URL" in error.missing and not (has_env_file or os.environ.get(SECRET_ID)):
            return ErrorReport(_NO_DATABASE)
        case SchemaMismatch():
            return ErrorReport(f"{_NOT_MIGRATED} ({error})")
        case FatalError():
            return ErrorReport(str(error))
        case TransientError():
            return ErrorReport(f"{error}; try again", FOUND)
        case UnicodeError():
            return ErrorReport("a file is not UTF-8 text")
        case OSError() if error.filename is not None:
            return ErrorReport(f"{error.filename}: {(error.strerror or 'cannot be used').lower()}")
        case _:
            return ErrorReport(
                f"a defect of crm-relay: {_place_of(error)}; its traceback is in {_keep_traceback(error)}"
            )


def print_report(report: ErrorReport, *, as_json: bool) -> None:
    """One line, with a line for each detail; or the shape in which the API answers errors."""
    if as_json:
        typer.echo(json.dumps({"error": report.message, "details": list(report.details)}, ensure_ascii=False, indent=2))
        return
    text = "\n  ".join((report.message, *report.details))
    # What is in brackets is a path or a rule of ours, not markup.
    Console(stderr=True).print(f"[red]crm-relay:[/] {escape(text)}", highlight=False, soft_wrap=True)


class CrmRelayCommands(TyperGroup):
    """All commands; wrong use of them is reported as any other error is."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Ends the process, as the group of the library does."""
        given = sys.argv[1:] if args is None else list(args)
        if not standalone_mode:
            return super().main(given, prog_name, complete_var, False, windows_expand_args, **extra)
        as_json = "--json" in given
        try:
            code = super().main(given, prog_name, complete_var, False, windows_expand_args, **extra)
        except TyperException as error:
            code = _report_wrong_use(error, as_json=as_json)
        except typer.Abort:
            print_report(ErrorReport("nothing was changed"), as_json=as_json)
            code = FOUND
        sys.exit(code if isinstance(code, int) else 0)


def is_closed_pipe(error: Exception) -> bool:
    """Whether the reader of the output went away, as `head` does: no error of the command."""
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def _report_wrong_use(error: Any, *, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
        return WRONG_USE
    words = " ".join(str(error.format_message()).split()).removesuffix(".")
    hint = f"; see {context.command_path} --help" if context is not None else ""
    print_report(ErrorReport(f"{words[:1].lower()}{words[1:]}{hint}"), as_json=as_json)
    return int(error.exit_code)


def _place_of(error: Exception) -> str:
    """The class and the last line of ours, as a message may quote a person's data."""
    ours = [each for each in traceback.extract_tb(error.__traceback__) if each.filename.startswith(str(ROOT))]
    own = [each for each in ours if ".venv" not in each.filename]
    where = f" in {Path(own[-1].filename).relative_to(ROOT)}, line {own[-1].lineno}" if own else ""
    return f"{type(error).__name__}{where}"


def _keep_traceback(error: Exception) -> Path:
    file = STACK_FILE.with_name("crm-relay-error.log")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    with file.open("w", encoding="utf-8") as target:
        traceback.print_exception(error, file=target)
    return file
