"""A command loads what it needs: the stack and its simulators take longer to load than most commands to run."""

import json
import subprocess
import sys

from tests.conftest import ROOT

_LOADED = """
import json, sys
import typer.main
from cli.main import app
commands = list(typer.main.get_command(app).commands.values())
print(json.dumps(sorted(sys.modules)))
"""
HEAVY = ("moto", "flask", "boto3", "local.stack", "local.serve", "local.demo.round")


def test_no_command_loads_the_local_stack() -> None:
    done = subprocess.run([sys.executable, "-c", _LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "cli.stack.commands" in loaded
    assert [name for name in HEAVY if name in loaded] == []
