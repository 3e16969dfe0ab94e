"""Finds the one row that stops the others: work is done in halves until what cannot be done stands alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from crm_relay.platform.errors import OF_ONE_ROW, FatalError

K = TypeVar("K")

_MOST_REFUSED = 8
"""So many refused one by one, with nobody gone through, are no fault of theirs."""

_MOST_DOUBTED = 64
"""The same where rows can be set aside: more of them may be bad at once, and only time is lost by asking."""


def in_parts(each: Sequence[K], work: Callable[[Sequence[K]], object], *, believes: bool = False) -> dict[K, Exception]:
    """Do `work` for all of `each`; those that fail even alone, and why.

    A call of `work` takes effect as a whole or not at all. Raises what `work` raises where that is no fault of a row
    (`OF_ONE_ROW`), and where everybody is refused: then the fault is not one row's.

    `believes`: for rows that can be set aside and tried again. A fault of a row is believed of everybody; of any other
    FatalError, such as that of a trigger which names a column that is gone, a row is the reason if others go through.
    """
    refused: dict[K, Exception] = {}
    waiting = [list(each)] if each else []
    has_succeeded = False
    of_a_row = (*OF_ONE_ROW, FatalError) if believes else OF_ONE_ROW
    while waiting:
        part = waiting.pop()
        try:
            work(part)
            has_succeeded = True
        except of_a_row as error:
            if len(part) > 1:
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
                continue
            refused[part[0]] = error
            if not has_succeeded and _is_of_all(refused, is_last=not waiting, believes=believes):
                raise
    return refused


def _is_of_all(refused: Mapping[K, Exception], *, is_last: bool, believes: bool) -> bool:
    """Whether so many were refused, and nobody was not, that it is no fault of theirs."""
    if not believes:
        return len(refused) >= _MOST_REFUSED
    doubted = sum(not isinstance(error, OF_ONE_ROW) for error in refused.values())
    return doubted >= _MOST_DOUBTED or (is_last and doubted > 0)
