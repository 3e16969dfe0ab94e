"""How long a run waits for Mautic, and when it is out of time."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from crm_relay.customers.run import SyncContext
from crm_relay.platform.errors import RateLimited, RejectedInput, ServerFailed
from crm_relay.providers.mautic.client import MAX_BATCH

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


def edit_gently(run: SyncContext, items: Sequence[Mapping[str, object]]) -> None:
    """Edits beside the rows of a run, so that none of them may stop it.

    Where Mautic fails on them together, each goes by itself; one that it fails on alone is left as it is, for the row
    that needs it to be refused again, or the audit to find.
    """
    for start in range(0, len(items), MAX_BATCH):
        together = items[start : start + MAX_BATCH]
        run.lease.renew()
        if not _edited(run, together):
            patiently(run, run.mautic.answers)
            for each in together if len(together) > 1 else ():
                run.lease.renew()
                _edited(run, [each])


def _edited(run: SyncContext, items: Sequence[Mapping[str, object]]) -> bool:
    try:
        patiently(run, partial(run.mautic.edit_contacts, items), server_failures=1)
    except (RejectedInput, ServerFailed):
        return False
    return True
