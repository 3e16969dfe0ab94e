"""What every webhook goes through once it is verified: kept raw and applied in one transaction, or deferred."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from crm_relay.platform.aws.circuit import DatabaseCircuit
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import DuplicateRow, RejectedInput, TransientError, describe_error
from crm_relay.platform.logging import count_metric, logger
from crm_relay.platform.sql import Statement
from crm_relay.webhooks.defer import Deferred
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.people.redact import NOTHING_LEFT
from crm_relay.webhooks.source import (
    Batch,
    Decided,
    KeptDelivery,
    Parsed,
    ReadMore,
    ReadRows,
    Received,
    Source,
)
from crm_relay.webhooks.store import as_kept, cut_out_erased, keep_deliveries, set_aside

LARGEST_BATCH = 50
_LARGEST_BATCH_BYTES = 4_000_000
_FAILURES_TO_STOP = 2


@dataclass(frozen=True)
class Inbox:
    """Where deliveries go: the database, and the queue while that is away."""

    database: Database
    circuit: DatabaseCircuit
    deferred: Deferred

    def receive(self, source: Source[Any, Parsed], received: Received[Parsed]) -> tuple[int, Mapping[str, Any]]:
        """Keep and apply what `source.receive` let in; status and answer for the provider.

        200 once everything is committed, 202 once the queue has it. Raises where neither could be had, and
        RejectedInput with 403 for a delivery that is set aside. For any other reason the provider must never see a
        refusal after its signature was found good: it would not send the delivery again.
        """
        try:
            outcome = self.circuit.call(lambda: apply_once(self.database, source, received))
        except Exception as error:  # noqa: BLE001 - whatever it was, the delivery is worth more
            self.defer(source, received, f"{type(error).__name__}: {describe_error(error)}")
            return 202, {"success": True, "deferred": True}
        if outcome.refused is not None:
            logger().warning("delivery set aside", source=source.name, reason=outcome.refused)
            count_metric("RefusedDeliveries", source=source.name)
            raise RejectedInput(outcome.refused, status=403)
        logger().info("delivery applied", source=source.name, **outcome.answer)
        return 200, outcome.answer

    def defer(self, source: Source[Any, Parsed], received: Received[Parsed], reason: str) -> None:
        """Into the queue, without a try. Raises where that is away as well; `reason` has nobody's data."""
        self.deferred.keep(received.delivered)
        logger().warning("delivery deferred", source=source.name, reason=reason)
        count_metric("DeferredDeliveries", source=source.name)


def apply_once(database: Database, source: Source[Any, Parsed], received: Received[Parsed]) -> DeliveryOutcome:
    """Keep the delivery and apply it in one transaction; one that was applied before has no effect twice.

    Errors as in Database.transact; after TransientError the outcome may be unknown, and calling again is safe.
    """
    return apply_together(database, source, [received])[0]


def apply_stored(database: Database, source: Source[Any, Any], delivered: Delivered) -> DeliveryOutcome:
    """The same for a delivery that was verified and stored before. Raises RejectedInput where it cannot be read."""
    if delivered.body == NOTHING_LEFT.encode():
        return apply_once(database, _ignoring(source), Received(delivered, None))
    return apply_once(database, source, Received(delivered, source.parse(delivered)))


def apply_all_stored(
    database: Database, source: Source[Any, Any], deliveries: Sequence[Delivered]
) -> list[DeliveryOutcome | Exception]:
    """What became of each, in their order; an exception where it was not applied.

    Up to 50 share a transaction. Where one cannot be applied, the others of its transaction are applied one by one;
    where two in a row fail for a reason that may pass, the rest of that transaction fails with them.
    """
    return [outcome for batch in _batches(deliveries) for outcome in _apply_batch(database, source, batch)]


def apply_together(
    database: Database, source: Source[Any, Parsed], received: Sequence[Received[Parsed]]
) -> Sequence[DeliveryOutcome]:
    """Keep and apply deliveries in one transaction: two messages, whatever their number. Errors as in `apply_once`."""
    try:
        return database.transact(lambda transaction: _apply(transaction, source, Batch(received)))
    except DuplicateRow:
        repeated = Batch(received, is_repeated=True)
        return database.transact(lambda transaction: _apply(transaction, source, repeated))


def _apply(transaction: Transaction, source: Source[Any, Parsed], batch: Batch[Parsed]) -> Sequence[DeliveryOutcome]:
    wanted = source.reads(batch)
    addresses = frozenset[str]().union(*(source.addresses(each.parsed) for each in batch.deliveries))
    keeping = keep_deliveries([each.delivered for each in batch.deliveries], addresses)
    inbox, *results = transaction.send_all([keeping, *wanted.values()])
    kept = as_kept(batch.deliveries, inbox, source.addresses)
    decided = _decide(transaction, source, kept, dict(zip(wanted, results, strict=True)))
    for callback in decided.after_commit:
        transaction.after_commit(callback)
    # Before the source's own writes: these end with the counters that everybody waits for.
    transaction.finish([*_inbox_writes(source, kept, decided.outcomes), *decided.writes])
    return decided.outcomes


def _decide(
    transaction: Transaction, source: Source[Any, Parsed], kept: Sequence[KeptDelivery[Parsed]], rows: ReadRows
) -> Decided:
    decided = source.decide(kept, rows)
    while isinstance(decided, ReadMore):
        more = decided.statements
        rows = {**rows, **dict(zip(more, transaction.send_all(list(more.values())), strict=True))}
        decided = source.decide(kept, rows)
    return decided


def _inbox_writes(
    source: Source[Any, Parsed], kept: Sequence[KeptDelivery[Parsed]], outcomes: Sequence[DeliveryOutcome]
) -> Iterator[Statement]:
    yield from cut_out_erased(kept, source.redact)
    refused = {
        each.inbox_id: outcome.refused
        for each, outcome in zip(kept, outcomes, strict=True)
        if each.inbox_id is not None and outcome.refused is not None
    }
    if refused:
        yield set_aside(refused)


def _batches(deliveries: Sequence[Delivered]) -> Iterator[list[Delivered]]:
    batch: list[Delivered] = []
    size = 0
    for each in deliveries:
        if batch and (len(batch) == LARGEST_BATCH or size + len(each.body) > _LARGEST_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += len(each.body)
    if batch:
        yield batch


def _apply_batch(
    database: Database, source: Source[Any, Any], batch: Sequence[Delivered]
) -> Iterator[DeliveryOutcome | Exception]:
    together = _try_together(database, source, batch)
    rest = iter(_one_by_one(database, source, [each for place, each in enumerate(batch) if place not in together]))
    for place in range(len(batch)):
        yield together[place] if place in together else next(rest)


def _try_together(
    database: Database, source: Source[Any, Any], batch: Sequence[Delivered]
) -> Mapping[int, DeliveryOutcome]:
    """By place in the batch; without those that cannot be read, and empty where the rest cannot be applied."""
    readable = dict(_readable(source, batch))
    if len(readable) < 2:
        return {}
    try:
        outcomes = apply_together(database, source, list(readable.values()))
    except Exception as error:  # noqa: BLE001 - whichever it was, the others must not wait for it
        logger().info("deliveries applied one by one", source=source.name, reason=describe_error(error))
        return {}
    return dict(zip(readable, outcomes, strict=True))


def _readable(source: Source[Any, Parsed], batch: Sequence[Delivered]) -> Iterator[tuple[int, Received[Parsed]]]:
    for place, delivered in enumerate(batch):
        # Applied alone it raises again, and the caller sees it.
        with suppress(Exception):
            yield place, Received(delivered, source.parse(delivered))


def _one_by_one(
    database: Database, source: Source[Any, Any], batch: Sequence[Delivered]
) -> Iterator[DeliveryOutcome | Exception]:
    failures: list[TransientError] = []
    for each in batch:
        if len(failures) == _FAILURES_TO_STOP:
            yield failures[-1]
            continue
        try:
            outcome = apply_stored(database, source, each)
        except TransientError as error:
            failures.append(error)
            yield error
        except Exception as error:  # noqa: BLE001 - the caller's to judge, one by one
            yield error
        else:
            failures.clear()
            yield outcome


def _ignoring(source: Source[Any, Any]) -> Source[Any, None]:
    """The same source for deliveries of which nothing is left."""
    return Source(source.name, source.receive, lambda _delivered: None, lambda _batch: {}, _ignore, source.redact)


def _ignore(kept: Sequence[KeptDelivery[None]], _rows: ReadRows) -> Decided:
    return Decided([DeliveryOutcome(ignored=1) if each.is_new else DeliveryOutcome(duplicates=1) for each in kept])
