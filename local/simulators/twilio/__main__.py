"""Runs the simulator on its own: `python -m local.simulators.twilio --port 8400`."""

from __future__ import annotations

import argparse

from local.simulators.alone import serve_alone
from local.simulators.twilio.simulator import TwilioSimulator


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=8400)
    serve_alone(TwilioSimulator(arguments.parse_args().port), "Twilio")


if __name__ == "__main__":
    main()
