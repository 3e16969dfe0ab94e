"""Finds the one row that stops the others: work is done in halves until what cannot be done stands alone."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from crm_relay.platform.errors import OF_ONE_ROW

K = TypeVar("K")

_MOST_REFUSED = 8
"""So many refused one by one, with nobody gone through, are no fault of theirs."""


def in_parts(each: Sequence[K], work: Callable[[Sequence[K]], object]) -> dict[K, Exception]:
    """Do `work` for all of `each`; those for whom it fails even alone, and why.

    A call of `work` takes effect as a whole or not at all. Raises what `work` raises where that is no fault of a row
    (`OF_ONE_ROW`), and where everybody is refused: then the fault is not one row's.
    """
    refused: dict[K, Exception] = {}
    waiting = [list(each)] if each else []
    has_succeeded = False
    while waiting:
        part = waiting.pop()
        try:
            work(part)
            has_succeeded = True
        except OF_ONE_ROW as error:
            if len(part) > 1:
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
                continue
            refused[part[0]] = error
            if len(refused) >= _MOST_REFUSED and not has_succeeded:
                raise
    return refused
