"""A local stack that stays: its data outlives it, however it ends, and a second one does not touch it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crm_relay.platform.database import Database
from tests.conftest import ROOT
from tests.support.platform.rows import rows_of

COMMAND = str(Path(sys.executable).with_name("crm-relay"))
STARTUP_SECONDS = 120


class KeptStack:
    """`crm-relay up` with a file and a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "stack.json"
        self.environment = {**os.environ, "CRM_RELAY_STACK_FILE": str(self.file)}
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> dict[str, Any]:
        self.process = subprocess.Popen(
            [COMMAND, "up", "--port", "0"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        until = time.monotonic() + STARTUP_SECONDS
        while not self.file.exists():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < until, "the stack did not come up"
            time.sleep(0.1)
        description: dict[str, Any] = json.loads(self.file.read_text())
        return description

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Its exit status and all that it printed."""
        assert self.process is not None
        self.process.send_signal(number)
        printed = self.process.communicate(timeout=60)[0]
        return self.process.returncode, printed

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120
        )


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[KeptStack]:
    """Ended also where the test fails."""
    made = KeptStack(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.end(signal.SIGTERM)


def run(stack: dict[str, Any], sql: str) -> list[dict[str, Any]]:
    database = Database(stack["database_url"])
    try:
        return rows_of(database, sql)
    finally:
        database.close()


def test_data_and_token_stay_and_a_second_stack_is_refused(stack: KeptStack, tmp_path: Path) -> None:
    first = stack.start()
    run(first, "insert into contacts (first_name, email) values ('Ada', 'ada@example.com')")

    second = stack.command("up", "--port", "0")
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr == (
        f"crm-relay: a stack runs already, at {first['base_url']} (process {first['pid']}): stop it with Ctrl-C first\n"
    )
    assert stack.command("reset", "--yes").returncode == 2
    assert json.loads(stack.file.read_text()) == first

    code, printed = stack.end(signal.SIGINT)
    assert code == 0
    assert f"{first['base_url']}/dashboard#/sign-in/" in printed
    assert "Traceback" not in printed

    again = stack.start()
    assert again["admin_token"] == first["admin_token"]
    assert run(again, "select email from contacts") == [{"email": "ada@example.com"}]
    stack.end(signal.SIGKILL)
    stack.file.unlink()

    killed = stack.start()
    assert run(killed, "select email from contacts") == [{"email": "ada@example.com"}]
    assert stack.end(signal.SIGTERM)[0] == 0

    assert stack.command("reset", "--yes").stdout == "Removed.\n"
    assert not (tmp_path / ".stack").exists()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = KeptStack(tmp_path).command("up", "--port", str(port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"crm-relay: port {port} of 127.0.0.1 is taken by another program")
    assert not (tmp_path / ".stack").exists()
