"""Runs the simulator on its own: `python -m local.simulators.airtable --port 8500`."""

from __future__ import annotations

import argparse

from local.simulators.airtable.simulator import AirtableSimulator
from local.simulators.alone import serve_alone


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=8500)
    serve_alone(AirtableSimulator(arguments.parse_args().port), "Airtable")


if __name__ == "__main__":
    main()
