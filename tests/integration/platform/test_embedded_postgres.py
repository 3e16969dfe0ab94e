"""The embedded PostgreSQL ends with the process that started it, however that ends."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

_STARTER = """
import os, signal
from local.postgres import EmbeddedPostgres
server = EmbeddedPostgres.start(durable=False)
print(server.process.pid, server.watch.pid, server.folder, flush=True)
{ending}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
@pytest.mark.parametrize("ending", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(1)", "server.stop()"])
def test_neither_a_process_nor_a_folder_stays(ending: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _STARTER.format(ending=ending)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        server, watch, folder = starter.stdout.readline().split()
    until = time.monotonic() + 60
    while Path(folder).exists() or not (is_over(server) and is_over(watch)):
        assert time.monotonic() < until
        time.sleep(0.05)


def is_over(pid: str) -> bool:
    """Nobody may be there to take its exit status, so that a zombie counts as over."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(") ")[2][0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
