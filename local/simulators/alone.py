"""A simulator as a process of its own."""

import sys

from local.simulators.http_server import ServedSimulator
from local.until_signal import until_signal, wait_for


def serve_alone(simulator: ServedSimulator, name: str) -> None:
    """Until SIGINT or SIGTERM. Standard output has one line, whose last word is the address."""
    with until_signal() as stopped, simulator:
        sys.stdout.write(f"{name} simulator on {simulator.url}\n")
        sys.stdout.flush()
        wait_for(stopped)
