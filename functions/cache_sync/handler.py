"""Entry point of cache_sync: two schedules, one for each direction, and resyncs on demand."""

from collections.abc import Mapping
from typing import Any

from cache_sync.order import schedules_of
from cache_sync.wiring import sync
from crm_relay.platform.aws.heartbeat import heartbeat
from crm_relay.platform.clock import LambdaContext


@heartbeat(of_messages=schedules_of)
def handler(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """`{"direction": "to_cache" | "to_postgres" | "resync"}`, `"entities"` for some of them; answers with counts."""
    return sync(event, context)
