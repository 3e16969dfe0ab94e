"""Applies deliveries of the inbox once more: after a type got its meaning, or a workspace its right number."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from crm_relay.incidents.record import close_incidents
from crm_relay.outreach import store
from crm_relay.outreach.models import Selection
from crm_relay.platform.clock import Clock, utc_now
from crm_relay.platform.database import Database, Queryable, Row
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.bison.events import BisonDelivery
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_all_stored
from crm_relay.webhooks.source import Source

_PAGE = 200


@dataclass
class Replay:
    """What became of the deliveries; what counted before counts no second time."""

    processed: int = 0
    duplicates: int = 0
    ignored: int = 0
    refused: int = 0
    unreadable: int = 0


def count_deliveries(db: Queryable, selection: Selection) -> tuple[int, int]:
    """How many a replay would take up, and how many of these still wait for their first effect."""
    return store.count_deliveries(db, selection)


def replay_deliveries(
    db: Database,
    selection: Selection,
    source: Source[Any, BisonDelivery],
    progress: Callable[[int], None] = lambda _done: None,
    *,
    clock: Clock = utc_now,
) -> Replay:
    """Oldest first, up to 50 in a transaction; can be stopped and repeated at any time.

    A type that was unknown and has its meaning now is no incident any more. Raises what keeps a readable delivery from
    being applied.
    """
    replay, known, after, done = Replay(), set[str](), 0, 0
    while page := store.deliveries_to_replay(db, selection, after=after, limit=_PAGE):
        known |= _replay(db, page, source, replay)
        after, done = page[-1]["id"], done + len(page)
        progress(done)
    close_incidents(db, "unknown_event", sorted(known), clock())
    return replay


def _replay(db: Database, page: Sequence[Row], source: Source[Any, BisonDelivery], replay: Replay) -> set[str]:
    """The types whose meaning is known."""
    readable = list(_readable(page, source))
    replay.unreadable += len(page) - len(readable)
    for outcome in apply_all_stored(db, source, [delivered for delivered, _ in readable]):
        if isinstance(outcome, Exception):
            raise outcome
        replay.processed += outcome.processed
        replay.duplicates += outcome.duplicates
        replay.ignored += outcome.ignored
        replay.refused += outcome.refused is not None
    return {delivery.event_type for _, delivery in readable if delivery.verdict != "unknown"}


def _readable(page: Sequence[Row], source: Source[Any, BisonDelivery]) -> Iterator[tuple[Delivered, BisonDelivery]]:
    for row in page:
        delivered = Delivered(
            source.name,
            row["body"].encode(),
            row["received_at"],
            row["headers"],
            workspace_name=row["workspace_name"],
            origin="replay",
        )
        with suppress(RejectedInput):
            yield delivered, source.parse(delivered)
