"""Entry point of integration_sync: the schedule, every 15 minutes, and the browser of who connects an account."""

from collections.abc import Mapping
from typing import Any

from crm_relay.platform.aws.heartbeat import heartbeat
from crm_relay.platform.clock import LambdaContext
from crm_relay.platform.http.http_edge import respond
from integration_sync.wiring import ACCEPTS, answer, run


def handler(event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """An HTTP event is a step of OAuth; everything else is the schedule."""
    return respond(event, ACCEPTS, answer) if "requestContext" in event else scheduled(event, context)


@heartbeat()
def scheduled(_event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """What is due; any number may run side by side."""
    return run(context)
