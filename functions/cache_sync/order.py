"""How a run can be ordered: by a schedule, or by a message of the queue of orders."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from crm_relay.edge_cache.keys import ENTITIES, Entity
from crm_relay.edge_cache.replication.run import Direction
from crm_relay.platform.errors import RejectedInput


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


def order_of(event: Mapping[str, Any]) -> CacheOrder:
    """Of a schedule's event, or of the message that it brings. Raises RejectedInput."""
    records = event.get("Records")
    return read_order(json.loads(records[0]["body"]) if records else event)


def read_order(given: Mapping[str, Any]) -> CacheOrder:
    """Raises RejectedInput, which names what is allowed."""
    direction, names = given.get("direction"), given.get("entities")
    if direction not in get_args(Direction):
        raise RejectedInput(f"direction must be one of {', '.join(get_args(Direction))}", status=422)
    if names is not None and (not isinstance(names, list) or not names or not set(map(str, names)) <= set(ENTITIES)):
        raise RejectedInput(f"entities must be some of {', '.join(ENTITIES)}", status=422)
    return CacheOrder(
        cast("Direction", direction), None if names is None else tuple(names), str(given.get("ordered_by", "schedule"))
    )


def schedules_of(message: Mapping[str, Any]) -> tuple[str, ...]:
    """The schedule whose work a message's run does: while a resync is at work, what changed steps aside."""
    return ("cache_sync.ToPostgres" if message.get("direction") == "to_postgres" else "cache_sync.ToCache",)
