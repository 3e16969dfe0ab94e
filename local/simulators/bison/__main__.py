"""Runs the simulator on its own: `python -m local.simulators.bison --port 8200`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import Any

from local.simulators.bison.simulator import BisonSimulator


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=8200)
    stopped = threading.Event()

    def stop(number: int, frame: Any) -> None:
        del number, frame
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    with BisonSimulator(arguments.parse_args().port) as simulator:
        sys.stdout.write(f"EmailBison simulator on {simulator.url}\n")
        sys.stdout.flush()
        stopped.wait()


if __name__ == "__main__":
    main()
