"""What every webhook goes through once it is verified: kept raw and applied in one transaction, or deferred."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crm_relay.platform.circuit import DatabaseCircuit
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import RejectedInput, describe_error
from crm_relay.platform.logging import count_metric, logger
from crm_relay.webhooks.defer import Deferred
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.store import keep_delivery, set_aside

Apply = Callable[[Queryable], DeliveryOutcome]
"""A capability's effects of one delivery, all within the transaction that it is given; may be called again."""


@dataclass(frozen=True)
class Inbox:
    """Where deliveries go: the database, and the queue while that is away."""

    database: Database
    circuit: DatabaseCircuit
    deferred: Deferred

    def receive(self, delivered: Delivered, apply: Apply, *, again: Apply) -> tuple[int, Mapping[str, Any]]:
        """Status and answer for the provider; `again` is called instead of `apply` where that was done before.

        200 once everything is committed, 202 once the queue has it. Raises where neither could be had, and
        RejectedInput with 403 for a delivery that is set aside. For any other reason the provider must never see a
        refusal after its signature was found good: it would not send the delivery again.
        """
        try:
            outcome = self.circuit.call(lambda: apply_once(self.database, delivered, apply, again=again))
        except Exception as error:  # noqa: BLE001 - whatever it was, the delivery is worth more
            self.deferred.keep(delivered)
            logger().warning(
                "delivery deferred", source=delivered.source, kind=type(error).__name__, reason=describe_error(error)
            )
            count_metric("DeferredDeliveries", source=delivered.source)
            return 202, {"success": True, "deferred": True}
        if outcome.refused is not None:
            logger().warning("delivery set aside", source=delivered.source, reason=outcome.refused)
            count_metric("RefusedDeliveries", source=delivered.source)
            raise RejectedInput(outcome.refused, status=403)
        logger().info("delivery applied", source=delivered.source, **outcome.answer)
        return 200, outcome.answer


def nothing_new(_transaction: Queryable) -> DeliveryOutcome:
    """Where it does not matter what a delivery that was applied before had been about."""
    return DeliveryOutcome(duplicates=1)


def apply_once(
    database: Database, delivered: Delivered, apply: Apply, *, again: Apply = nothing_new
) -> DeliveryOutcome:
    """Keep the delivery and apply it in one transaction; where it was applied before, only `again` is called.

    Errors as in Database.transact; after TransientError the outcome may be unknown, and calling again is safe.
    """

    def work(transaction: Queryable) -> DeliveryOutcome:
        if not keep_delivery(transaction, delivered):
            return again(transaction)
        outcome = apply(transaction)
        if outcome.refused is not None:
            set_aside(transaction, delivered, outcome.refused)
        return outcome

    return database.transact(work)
