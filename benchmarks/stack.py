"""What the laptop's stack costs while nothing happens, and how long the command line takes to say what it knows."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.figures import Figure, Subject, median
from benchmarks.servers import ROOT, Servers

_WARM_SECONDS, _REST_SECONDS, _HELPS = 75, 120, 7
_STACK = """
import sys
from local.stack import Stack
from local.until_signal import until_signal
with until_signal() as stop, Stack({}) as stack:
    stack.start_background()
    print("up", flush=True)
    stop.wait()
"""


def _measure(_servers: Servers) -> Iterator[Figure]:
    yield Figure("stack.idle_core_percent", _idle_percent(), f"% of a core at rest, in {_REST_SECONDS} s", 1)
    yield median("cli.help_ms", "ms of processor time for `crm-relay --help`", _helps())


def _idle_percent() -> float:
    """Behind the first round of the minutely schedules, which imports the functions; whole minutes of them follow."""
    with tempfile.TemporaryDirectory(prefix="crm-relay-bench-") as folder:
        environment = os.environ | {"CRM_RELAY_STACK_FILE": str(Path(folder, "stack.json")), "LOG_LEVEL": "WARNING"}
        command = [sys.executable, "-c", _STACK]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as stack:
            try:
                if stack.stdout is None or "up" not in stack.stdout.readline():
                    raise RuntimeError("the stack did not come up")
                time.sleep(_WARM_SECONDS)
                began, before = time.monotonic(), _busy_seconds(_family(stack.pid))
                time.sleep(_REST_SECONDS)
                return 100 * (_busy_seconds(_family(stack.pid)) - before) / (time.monotonic() - began)
            finally:
                stack.terminate()


def _helps() -> Iterator[float]:
    command = [str(Path(sys.executable).with_name("crm-relay")), "--help"]
    for _ in range(_HELPS):
        before = os.times()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        yield 1000 * (after.children_user + after.children_system - before.children_user - before.children_system)


def _family(pid: int) -> Iterator[int]:
    """A process and all that it started; on Linux alone, as all here."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _busy_seconds(processes: Iterator[int] | Sequence[int]) -> float:
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


SUBJECT = Subject(("stack.idle_core_percent", "cli.help_ms"), _measure)
