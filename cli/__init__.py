"""The operator's command line: crm-relay."""

import os
import signal
import sys


def run() -> None:
    """All commands. Ctrl-C ends them in silence, also while they still load, with the status 130 that shells expect."""
    try:
        from cli.main import app

        app()
    except KeyboardInterrupt:
        sys.stdout.flush()
        os._exit(128 + signal.SIGINT)
