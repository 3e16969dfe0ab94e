"""Runs the simulator on its own: `python -m local.simulators.gmail --port 8600`."""

from __future__ import annotations

import argparse

from local.simulators.alone import serve_alone
from local.simulators.gmail.simulator import GmailSimulator


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=8600)
    serve_alone(GmailSimulator(arguments.parse_args().port), "Gmail")


if __name__ == "__main__":
    main()
