"""Where `crm-relay` begins: an interruption ends it in silence, also while it still loads."""

import os
import signal
import sys


def run() -> None:
    """All commands; exit status 130 after Ctrl-C, as the shell expects it."""
    try:
        from cli.main import app

        app()
    except KeyboardInterrupt:
        sys.stdout.flush()
        os._exit(128 + signal.SIGINT)
