"""The table of commands says of each what the command itself says, and shows them without importing one."""

import inspect
import subprocess
import sys

import pytest
import typer.main

from cli.commands import COMMANDS
from cli.main import app

_HELP = """
import sys
from cli.main import app
try:
    app(["--help"])
except SystemExit as end:
    assert not end.code
places = sys.argv[1].split(",")
print([name for name in ("pydantic", "requests", "boto3", *places) if name in sys.modules])
"""


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_line_of_a_command_is_the_first_of_its_own_help(name: str) -> None:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    first = inspect.cleandoc(command.help or "").split("\n\n")[0]
    assert (command.name, " ".join(first.split())) == (name, COMMANDS[name].summary)


def test_the_help_imports_no_command() -> None:
    places = ",".join({each.module for each in COMMANDS.values()})
    command = [sys.executable, "-c", _HELP, places]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *shown, imported = done.stdout.splitlines()
    assert imported == "[]"
    assert all(any(f" {name} " in line for line in shown) for name in COMMANDS)
