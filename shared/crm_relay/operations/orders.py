"""Orders of runs that take longer than a request may: they go by message, and the run's function takes them up."""

from collections.abc import Sequence
from dataclasses import dataclass

from crm_relay.edge_cache.absent import NOT_INSTALLED
from crm_relay.edge_cache.keys import ENTITIES, Entity
from crm_relay.platform.aws.queue import send_message
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.logging import logger

LOOK_AT = "/api/sync/status"
LOOK_AT_CHECKS = "/api/integrity"
_FROM_THE_EDGE: Entity = "emails"


@dataclass(frozen=True)
class Ordered:
    """What was ordered, and where its progress is seen."""

    direction: str
    entities: list[str]
    ordered_by: str
    look_at: str = LOOK_AT


@dataclass(frozen=True)
class CheckOrdered:
    """Which run of the checks was ordered, and where it and what it finds are seen."""

    fix: bool
    full: bool
    ordered_by: str
    look_at: str = LOOK_AT_CHECKS


def order_sync(queue_url: str | None, entity: Entity, *, who: str) -> Ordered:
    """What changed of one entity; e-mails are written at the edge, so they come from there."""
    if entity == _FROM_THE_EDGE:
        return _order(queue_url, "to_postgres", [entity], who)
    return _order(queue_url, "to_cache", [entity], who)


def order_resync(queue_url: str | None, entities: Sequence[Entity], *, who: str) -> Ordered:
    """Everything again, of all entities where none is named. One that runs already is gone on with."""
    return _order(queue_url, "resync", list(entities or ENTITIES), who)


def order_check(queue_url: str, *, fix: bool, full: bool, who: str) -> CheckOrdered:
    """A run of the integrity checks. Safe to call twice, errors as the others'; it waits for one that is at work."""
    send_message(queue_url, {"fix": fix, "full": full, "ordered_by": who})
    logger().info("integrity check ordered", extra={"fix": fix, "full": full, "ordered_by": who})
    return CheckOrdered(fix, full, who)


def _order(queue_url: str | None, direction: str, entities: list[Entity], who: str) -> Ordered:
    """Safe to call twice: a second run finds nothing more to do. Raises TransientError, FatalError.

    RejectedInput where there is no edge cache: it has no queue either.
    """
    if queue_url is None:
        raise RejectedInput(NOT_INSTALLED, status=404)
    named = {} if direction == "to_postgres" else {"entities": entities}
    send_message(queue_url, {"direction": direction, **named, "ordered_by": who})
    logger().info("edge sync ordered", extra={"direction": direction, "entities": entities, "ordered_by": who})
    return Ordered(direction, [*entities], who)
