"""Gives a delivery of EmailBison its effects, once; and notes what had none."""

from datetime import datetime

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import open_incidents
from crm_relay.outreach import store
from crm_relay.outreach.models import Arrival
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import FatalError, TransientError
from crm_relay.platform.logging import count_metric, logger
from crm_relay.providers.bison.events import BisonDelivery
from crm_relay.webhooks.models import DeliveryOutcome

REFUSED = "the body is of another workspace or instance than the token"


def apply_delivery(db: Queryable, arrival: Arrival, delivery: BisonDelivery) -> DeliveryOutcome:
    """One statement, and a second one for an event that nobody knows. Safe to call twice."""
    match store.apply_delivery(db, arrival, delivery):
        case "processed":
            return DeliveryOutcome(processed=1)
        case "duplicate":
            return DeliveryOutcome(duplicates=1)
        case "refused":
            return DeliveryOutcome(refused=REFUSED)
    if delivery.verdict == "unknown":
        _report_unknown(db, arrival, delivery.event_type)
    return DeliveryOutcome(ignored=1)


def _report_unknown(db: Queryable, arrival: Arrival, event_type: str) -> None:
    """Kept raw, counted and told once; `crm-relay bison replay --type` applies it when its meaning is known."""
    logger().warning("event of an unknown type", event_type=event_type)
    count_metric("UnknownEvents", source="bison")
    title = "Webhook event(s) of a type that nobody knows: kept, without effect"
    open_incidents(db, [Incident("unknown_event", event_type, title)], arrival.received_at)


def note_unreadable(
    db: Queryable, *, workspace_name: str, problem: str, received_at: datetime, elapsed_ms: int
) -> None:
    """A body that came with a good token and says nothing that can be understood: the workspace's health shows it.

    Where it cannot be noted it is refused all the same: coming again it would say no more.
    """
    try:
        store.log_failure(
            db,
            workspace_name=workspace_name,
            event_type="unreadable",
            reason=problem,
            received_at=received_at,
            elapsed_ms=elapsed_ms,
        )
    except (TransientError, FatalError) as error:
        logger().warning("unreadable delivery not counted", kind=type(error).__name__)
