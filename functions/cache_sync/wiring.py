"""The outside world of cache_sync, built once per execution environment."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast, get_args

from cache_sync.settings import Settings
from crm_relay.edge_cache.dynamo.dynamo_table import DynamoTable
from crm_relay.edge_cache.keys import ENTITIES, Entity
from crm_relay.edge_cache.replication.resync import ignore_progress
from crm_relay.edge_cache.replication.resync_store import ResyncState
from crm_relay.edge_cache.replication.run import Direction, SyncRun
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.incidents.channels import channels
from crm_relay.incidents.send_alerts import AlertChannel, send_alerts
from crm_relay.platform.aws.lease import Lease
from crm_relay.platform.aws.queue import send_message
from crm_relay.platform.clock import Deadline, LambdaContext, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import logger
from crm_relay.platform.settings import read_settings

_RESERVE_SECONDS = 15.0
_STEP_ASIDE_SECONDS = 30
_LEASE_SECONDS = 930.0
"""Longer than the function may run: a run that died leaves the direction to the next one after this."""


@dataclass(frozen=True)
class CacheOrder:
    """One run. `entities` None: all of them."""

    direction: Direction
    entities: tuple[Entity, ...] | None = None
    ordered_by: str = "schedule"

    def message(self) -> dict[str, object]:
        """The order as a message to a later run."""
        named = {} if self.entities is None else {"entities": list(self.entities)}
        return {"direction": self.direction, **named, "ordered_by": self.ordered_by}


def read_order(event: Mapping[str, Any]) -> CacheOrder:
    """Raises RejectedInput, which names what is allowed."""
    direction, names = event.get("direction"), event.get("entities")
    if direction not in get_args(Direction):
        raise RejectedInput(f"direction must be one of {', '.join(get_args(Direction))}", status=422)
    if names is not None and (not isinstance(names, list) or not names or not set(map(str, names)) <= set(ENTITIES)):
        raise RejectedInput(f"entities must be some of {', '.join(ENTITIES)}", status=422)
    return CacheOrder(
        cast("Direction", direction), None if names is None else tuple(names), str(event.get("ordered_by", "schedule"))
    )


@dataclass(frozen=True)
class CacheSync:
    """What outlives one invocation."""

    settings: Settings

    @cached_property
    def database(self) -> Database:
        """Opened on first use."""
        return Database(self.settings.database_url, ca_file=self.settings.database_ca_file, timeout=65.0)

    @cached_property
    def table(self) -> EdgeTable:
        """The cache."""
        return DynamoTable(self.settings.edge_cache_table)

    @cached_property
    def channels(self) -> Sequence[AlertChannel]:
        """Where incidents are told."""
        return channels(self.settings.alert_slack_webhook_url, self.settings.alert_topic_arn)

    def sync(
        self, order: CacheOrder, deadline: Deadline, progress: Callable[[ResyncState], None] = ignore_progress
    ) -> dict[str, Any]:
        """One run a direction at a time; the two directions do not wait for each other."""
        lane = "to_postgres" if order.direction == "to_postgres" else "to_cache"
        with Lease(self.settings.coordination_table, f"edge:{lane}", _LEASE_SECONDS).held() as ours:
            if not ours:
                return {"success": True, "direction": order.direction, "stepped_aside": True}
            answer = self._carry_out(order, deadline, progress)
        told = send_alerts(self.database, self.channels, utc_now(), deadline=deadline)
        return answer | {"incidents_told": told.sent, "incidents_waiting": told.failed}

    def hand_on(self, order: CacheOrder, done: Mapping[str, Any]) -> None:
        """By message: an order that met another run and stepped aside, and a resync for which the time was short."""
        queue = self.settings.cache_orders_queue_url
        if queue is None or order.ordered_by == "schedule":
            return
        if done.get("stepped_aside"):
            send_message(queue, order.message(), delay_seconds=_STEP_ASIDE_SECONDS)
        elif not all(each["finished"] for each in done.get("entities", ())):
            send_message(queue, order.message())

    def _carry_out(
        self, order: CacheOrder, deadline: Deadline, progress: Callable[[ResyncState], None]
    ) -> dict[str, Any]:
        limit = self.settings.edge_shrink_limit_percent
        run = SyncRun(self.database, self.table, utc_now, deadline, order.ordered_by, limit)
        match order.direction:
            case "to_cache":
                return run.to_cache(order.entities)
            case "to_postgres":
                return run.to_postgres()
            case "resync":
                done = [run.resync(entity, progress) for entity in order.entities or ENTITIES]
                return {"success": True, "direction": "resync", "entities": done}


world = PerEnvironment(lambda: CacheSync(read_settings(Settings)))


def sync(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Carry out what the event orders: a schedule's, or a message's of the queue of orders."""
    records = event.get("Records")
    order = read_order(json.loads(records[0]["body"]) if records else event)
    done = world().sync(order, Deadline.of_invocation(context, reserve=_RESERVE_SECONDS))
    world().hand_on(order, done)
    logger().info("cache sync", extra=done)
    return done
