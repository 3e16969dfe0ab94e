"""Runs the simulator on its own, telling its webhooks by itself: `python -m local.simulators.resend --port 8300`."""

from __future__ import annotations

import argparse

from local.simulators.alone import serve_alone
from local.simulators.resend.simulator import ResendSimulator


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=8300)
    serve_alone(ResendSimulator(arguments.parse_args().port, live=True), "Resend")


if __name__ == "__main__":
    main()
