"""Runs the simulator on its own: `python -m local.simulators.mautic --port 8100`."""

from __future__ import annotations

import argparse

from local.simulators.alone import serve_alone
from local.simulators.mautic.simulator import MauticSimulator


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=8100)
    arguments.add_argument("--client-id", default="crm-relay")
    arguments.add_argument("--client-secret", default="simulator-secret")
    arguments.add_argument("--empty", action="store_true", help="without the custom fields of the field map")
    chosen = arguments.parse_args()
    simulator = MauticSimulator(chosen.port, chosen.client_id, chosen.client_secret, prepared=not chosen.empty)
    serve_alone(simulator, "Mautic")


if __name__ == "__main__":
    main()
