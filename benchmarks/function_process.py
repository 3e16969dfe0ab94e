"""One invocation of a function in a process of its own: `python -m benchmarks.function_process NAME EVENT`.

Imports nothing that the function does not, so that the process's memory is the function's. The last line on standard
output is `{"seconds", "peak_mb", "answer"}`; the environment is the function's.
"""

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

_SECONDS = 900


class TimedContext:
    """The second argument of the handler, with the longest time that Lambda gives."""

    def __init__(self) -> None:
        self._ends_at = time.monotonic() + _SECONDS

    def get_remaining_time_in_millis(self) -> int:
        """As Lambda's."""
        return int((self._ends_at - time.monotonic()) * 1000)


def invoke(name: str, event: Any) -> dict[str, object]:
    """Seconds are the invocation's alone, as in a warm process that has no connections yet."""
    handler = importlib.import_module(f"{name}.handler").handler
    began = time.perf_counter()
    answer = handler(event, TimedContext())
    return {"seconds": time.perf_counter() - began, "peak_mb": peak_megabytes(), "answer": answer}


def peak_megabytes() -> float:
    """Most memory that this process ever held, in MB of 1,000,000 bytes.

    getrusage would hand down the parent's peak through fork and exec, so it is asked only where there is no /proc.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1_000_000
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000_000


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(invoke(sys.argv[1], json.loads(sys.argv[2]))) + "\n")
