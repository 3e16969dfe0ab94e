"""Runs the simulator on its own: `python -m local.simulators.mailchimp --port 8600`."""

from __future__ import annotations

import argparse

from local.simulators.alone import serve_alone
from local.simulators.mailchimp.simulator import MailchimpSimulator


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=8600)
    serve_alone(MailchimpSimulator(arguments.parse_args().port), "Mailchimp")


if __name__ == "__main__":
    main()
