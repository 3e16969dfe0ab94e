"""The wait of everything that runs until somebody asks it to stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def until_signal() -> Iterator[threading.Event]:
    """An event that SIGINT or SIGTERM sets: what runs then ends with all that it started, instead of in the middle."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stopped(BaseException):
    """Somebody asked to stop; no error, and nothing that catches errors may catch it."""


@contextmanager
def stopped_by_signal() -> Iterator[None]:
    """The first SIGINT or SIGTERM raises Stopped wherever the main thread is; later ones do nothing."""

    def stop(*_: object) -> None:
        for number in before:
            signal.signal(number, lambda *_: None)
        raise Stopped

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_for(stop: threading.Event) -> None:
    """Until it is set, in slices: the kernel may hand a signal to any thread, and its handler runs in the main one only
    when that is awake.
    """
    while not stop.wait(0.5):
        pass
