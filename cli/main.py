"""crm-relay: all commands. Each is in a module of its own, which is imported when the command is run."""

from typing import Annotated

import typer

from cli.commands import CommandsOnUse
from cli.output.version import show_version

app = typer.Typer(
    cls=CommandsOnUse,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
    help="Operate an installation of CRM Relay.",
    epilog="Exit status: 0 good, 1 found something, 2 wrong use or wrong settings, 130 Ctrl-C.",
)


@app.callback()
def _first(
    _: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Operate an installation of CRM Relay."""
