"""A source that lets something happen between its reads and its writes, so that a test decides who comes first."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from crm_relay.webhooks.source import Decided, KeptDelivery, Parsed, ReadMore, ReadRows, Source


def paused(source: Source[Any, Parsed], meanwhile: Callable[[], object]) -> Source[Any, Parsed]:
    """`meanwhile` is called once: a second attempt goes straight on."""
    waiting = [meanwhile]

    def decide(kept: Sequence[KeptDelivery[Parsed]], rows: ReadRows) -> Decided | ReadMore:
        if waiting:
            waiting.pop()()
        return source.decide(kept, rows)

    return replace(source, decide=decide)
