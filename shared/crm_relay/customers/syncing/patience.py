"""How long a run waits for Mautic, and when it is out of time."""

from collections.abc import Callable
from typing import TypeVar

from crm_relay.customers.run import SyncContext
from crm_relay.platform.errors import RateLimited, ServerFailed

T = TypeVar("T")
BATCH_SECONDS = 15.0
"""What a batch of 200 may take, with a slow hook of Mautic's own in it; recorded: 4.6 to 12.9 s."""

_MOST_WAITS = 4


class OutOfTime(Exception):
    """The deadline is near: what is recorded stays, the rest is for the next run."""


def patiently(run: SyncContext, call: Callable[[], T], *, server_failures: int = 0) -> T:
    """The call's result; waits and repeats while Mautic asks to slow down, and `server_failures` times after a 5xx."""
    for waits in range(_MOST_WAITS + 1):
        try:
            return call()
        except RateLimited as error:
            pause = error.retry_after or 2.0 ** (waits + 1)
            if waits == _MOST_WAITS or not run.deadline.allows(pause + BATCH_SECONDS):
                raise
        except ServerFailed:
            if waits >= server_failures:
                raise
            pause = 2.0
        run.sleep(pause)
        run.lease.renew()
    raise AssertionError("unreachable")
