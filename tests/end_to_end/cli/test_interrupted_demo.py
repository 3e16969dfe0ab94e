"""Ctrl-C ends the demo at any moment, quietly, and nothing of it stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

COMMAND = str(Path(sys.executable).with_name("crm-relay"))


def children_of(pid: int) -> set[int]:
    """Processes that it started and that still run."""
    return {
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if (fields := read(stat).rpartition(") ")[2].split()) and fields[1] == str(pid) and fields[0] != "Z"
    }


def read(stat: Path) -> str:
    try:
        return stat.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", ["simulated providers start", "one round of every schedule"])
def test_the_demo_ends_where_it_is(tmp_path: Path, words: str, number: signal.Signals) -> None:
    environment = {**os.environ, "CRM_RELAY_STACK_FILE": str(tmp_path / "stack.json"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [COMMAND, "demo", "--once"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        printed = ""
        while words not in printed:
            printed += (piece := demo.stdout.read(1))
            assert piece, printed
        started = children_of(demo.pid)
        demo.send_signal(number)
        printed += demo.stdout.read()
    assert demo.returncode == 128 + signal.SIGINT
    assert printed.splitlines()[-1] == "stopped"
    assert "Traceback" not in printed
    assert "the night passes" not in printed
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
