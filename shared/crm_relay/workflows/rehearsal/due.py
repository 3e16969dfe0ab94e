"""A heap of what is due, looked at without taking anything from it; pure."""

import heapq
from collections.abc import Sequence
from datetime import datetime

Due = tuple[datetime, datetime, int]
"""When it is taken, when it was due first, and the number of its run."""


def first_of(heap: Sequence[Due], most: int) -> list[Due]:
    """The first `most` in their order; the cost is that of those alone, however many are behind them.

    >>> from datetime import UTC
    >>> heap = [(datetime(2026, 1, day, tzinfo=UTC), datetime(2026, 1, day, tzinfo=UTC), day) for day in (1, 3, 2, 4)]
    >>> [number for _, _, number in first_of(heap, 3)]
    [1, 2, 3]
    """
    found: list[Due] = []
    front = [(heap[0], 0)] if heap else []
    while front and len(found) < most:
        entry, place = heapq.heappop(front)
        found.append(entry)
        for below in (2 * place + 1, 2 * place + 2):
            if below < len(heap):
                heapq.heappush(front, (heap[below], below))
    return found
