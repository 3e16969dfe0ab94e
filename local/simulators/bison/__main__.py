"""Runs the simulator on its own: `python -m local.simulators.bison --port 8200`."""

from __future__ import annotations

import argparse

from local.simulators.alone import serve_alone
from local.simulators.bison.simulator import BisonSimulator


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=8200)
    serve_alone(BisonSimulator(arguments.parse_args().port), "EmailBison")


if __name__ == "__main__":
    main()
