"""crm-relay up, demo and reset."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.console import GOOD, AsJson, EnvFile, reports_errors
from local.settings_file import read_env_file
from local.stack_file import PORT, STACK_FILE, STACK_FOLDER
from local.stack_folder import one_at_a_time

Once = Annotated[bool, typer.Option("--once", help="End after the summary; exit status 1 if an expectation failed.")]


@reports_errors
def up(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0: any free one.")] = PORT,
    env_file: EnvFile = None,
) -> int:
    """Run the local stack without sample data until Ctrl-C.

    It uses your own settings; what is not set is simulated. The database stays in `.stack/` until `crm-relay reset`;
    simulated services begin empty at each start.
    """
    # Imported late: what a stack consists of takes longer to load than most commands to run.
    from local.serve import serve

    return serve(_settings(env_file), port)


@reports_errors
def demo(
    once: Once = False,
    customers: Annotated[int, typer.Option(min=1000, help="Number of sample customers.")] = 5000,
    whole: Annotated[bool, typer.Option("--all", help="Also print every expectation and what was found.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Run the main job end to end with sample data, which is kept nowhere.

    Each act is a line that says how many of its expectations hold; then the stack stays up until Ctrl-C.
    """
    from local.demo.round import run_demo

    return run_demo(_settings(env_file), customers=customers, once=once, as_json=as_json, whole=whole)


@reports_errors
def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> int:
    """Remove the data of the local stack for good: its database, its secrets and the key of its connections."""
    with one_at_a_time(STACK_FILE):
        if not STACK_FOLDER.path.exists():
            typer.echo("There is no data.")
            return GOOD
        if not yes:
            typer.confirm(f"Remove everything in {STACK_FOLDER.path}, such as people and campaigns?", abort=True)
        STACK_FOLDER.clear()
    typer.echo("Removed.")
    return GOOD


def _settings(env_file: Path | None) -> dict[str, str]:
    return {**os.environ, **(read_env_file(env_file) if env_file else {})}
