"""Work for many records at once, and for each alone where some of them make it fail."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from crm_relay.platform.errors import OF_ONE_ROW
from crm_relay.rules.in_parts import in_parts

K = TypeVar("K")

_GROUP = 7
"""Fewer than the refusals after which `in_parts` gives up: the first records may all be bad ones."""


def each_alone(records: Sequence[K], work: Callable[[Sequence[K]], object]) -> dict[K, Exception]:
    """The items for which `work` fails alone, and why; one call where nothing fails. As `in_parts`, but never gives up.

    A call of `work` takes effect as a whole or not at all.
    """
    try:
        work(records)
    except OF_ONE_ROW as error:
        if len(records) == 1:
            return {records[0]: error}
        refused: dict[K, Exception] = {}
        for start in range(0, len(records), _GROUP):
            refused |= in_parts(records[start : start + _GROUP], work)
        return refused
    return {}
