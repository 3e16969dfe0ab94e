"""What cache_sync is connected to, and its one use case."""

from collections.abc import Callable, Mapping
from typing import Any

from cache_sync.order import CacheOrder, order_of
from cache_sync.settings import Settings
from crm_relay.edge_cache.keys import ENTITIES
from crm_relay.edge_cache.replication.resync import ignore_progress
from crm_relay.edge_cache.replication.resync_store import ResyncState
from crm_relay.edge_cache.replication.run import SyncRun
from crm_relay.installation.installation import Installation, install
from crm_relay.platform.aws.queue import send_message
from crm_relay.platform.clock import Deadline, LambdaContext, utc_now
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import logger

_RESERVE_SECONDS = 15.0
_STEP_ASIDE_SECONDS = 30
_LEASE_SECONDS = 930.0
"""Longer than the function may run: a run that died leaves the direction to the next one after this."""

installation = PerEnvironment(lambda: install(Settings))


def sync(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Carry out what the event orders: a schedule's, or a message's of the queue of orders."""
    order = order_of(event)
    done = sync_cache(installation(), order, Deadline.of_invocation(context, reserve=_RESERVE_SECONDS))
    _hand_on(installation().settings.cache_orders_queue_url, order, done)
    logger().info("cache sync", extra=done)
    return done


def sync_cache(
    installation: Installation[Settings],
    order: CacheOrder,
    deadline: Deadline,
    progress: Callable[[ResyncState], None] = ignore_progress,
) -> dict[str, Any]:
    """One run a direction at a time; the two directions do not wait for each other.

    Raises NotArmed: a copy of the database would overwrite the edge, and take edits away that the original waits for.
    """
    installation.ensure_armed()
    lane = "to_postgres" if order.direction == "to_postgres" else "to_cache"
    with installation.lease(f"edge:{lane}", _LEASE_SECONDS).held() as ours:
        if not ours:
            return {"success": True, "direction": order.direction, "stepped_aside": True}
        answer = _carry_out(installation, order, deadline, progress)
    return answer | installation.send_alerts(deadline).as_json()


def _carry_out(
    installation: Installation[Settings],
    order: CacheOrder,
    deadline: Deadline,
    progress: Callable[[ResyncState], None],
) -> dict[str, Any]:
    limit = installation.settings.edge_shrink_limit_percent
    run = SyncRun(installation.database, installation.edge_table, utc_now, deadline, order.ordered_by, limit)
    match order.direction:
        case "to_cache":
            return run.to_cache(order.entities)
        case "to_postgres":
            return run.to_postgres()
        case "resync":
            done = [run.resync(entity, progress) for entity in order.entities or ENTITIES]
            return {"success": True, "direction": "resync", "entities": done}


def _hand_on(queue: str | None, order: CacheOrder, done: Mapping[str, Any]) -> None:
    """By message: an order that met another run and stepped aside, and a resync for which the time was short."""
    if queue is None or order.ordered_by == "schedule":
        return
    if done.get("stepped_aside"):
        send_message(queue, order.message(), delay_seconds=_STEP_ASIDE_SECONDS)
    elif not all(each["finished"] for each in done.get("entities", ())):
        send_message(queue, order.message())
