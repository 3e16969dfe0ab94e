"""Keeps the local stack up until somebody asks it to stop."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console

from local.stack import STACK_FILE, Stack

console = Console()


@contextmanager
def until_signal() -> Iterator[threading.Event]:
    """An event that SIGINT or SIGTERM sets: a stack then ends with all that it started, instead of in the middle."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(settings: Mapping[str, str]) -> int:
    """The stack for the operator's own settings, with queues and schedules running by themselves."""
    with until_signal() as stop, Stack(settings) as stack:
        stack.start_background()
        stack.write_file()
        describe(stack)
        stop.wait()
    return 0


def describe(stack: Stack) -> None:
    """Where everything is."""
    where = f"simulated at {stack.mautic.url}" if stack.mautic else stack.environment["MAUTIC_URL"]
    console.print(f"HTTP edge  {stack.edge.base_url}  (POST /webhooks/mautic, POST /api/sync/mautic)", highlight=False)
    console.print(f"Mautic     {where}", highlight=False)
    console.print(f"details    {STACK_FILE}; stop with Ctrl-C", highlight=False)
