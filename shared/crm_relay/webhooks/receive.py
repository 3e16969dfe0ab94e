"""What every webhook goes through once it is verified: kept raw and applied in one transaction, or deferred."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from crm_relay.platform.circuit import DatabaseCircuit
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import RejectedInput, describe_error
from crm_relay.platform.logging import count_metric, logger
from crm_relay.webhooks.defer import Deferred
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.redact import NOTHING_LEFT
from crm_relay.webhooks.source import Parsed, Received, Source, nothing_new
from crm_relay.webhooks.store import keep_delivery, set_aside


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
            self.deferred.keep(received.delivered)
            logger().warning(
                "delivery deferred", source=source.name, kind=type(error).__name__, reason=describe_error(error)
            )
            count_metric("DeferredDeliveries", source=source.name)
            return 202, {"success": True, "deferred": True}
        if outcome.refused is not None:
            logger().warning("delivery set aside", source=source.name, reason=outcome.refused)
            count_metric("RefusedDeliveries", source=source.name)
            raise RejectedInput(outcome.refused, status=403)
        logger().info("delivery applied", source=source.name, **outcome.answer)
        return 200, outcome.answer


def apply_once(database: Database, source: Source[Any, Parsed], received: Received[Parsed]) -> DeliveryOutcome:
    """Keep the delivery and apply it in one transaction; where it was applied before, only `source.again` is called.

    Errors as in Database.transact; after TransientError the outcome may be unknown, and calling again is safe.
    """
    delivered, parsed = received.delivered, received.parsed

    def work(transaction: Queryable) -> DeliveryOutcome:
        if not keep_delivery(transaction, delivered, source.redact):
            return source.again(transaction, delivered, parsed)
        outcome = source.apply(transaction, delivered, parsed)
        if outcome.refused is not None:
            set_aside(transaction, delivered, outcome.refused)
        return outcome

    return database.transact(work)


def apply_stored(database: Database, source: Source[Any, Any], delivered: Delivered) -> DeliveryOutcome:
    """The same for a delivery that was verified and stored before. Raises RejectedInput where it cannot be read."""
    if delivered.body == NOTHING_LEFT.encode():
        emptied = replace(source, apply=_nothing_left, again=nothing_new)
        return apply_once(database, emptied, Received(delivered, None))
    return apply_once(database, source, Received(delivered, source.parse(delivered)))


def _nothing_left(_transaction: Queryable, _delivered: Delivered, _parsed: object) -> DeliveryOutcome:
    return DeliveryOutcome(ignored=1)
