"""Entry point of integration_sync: the schedule, every 15 minutes, steps of OAuth in a browser, calls of the API."""

from collections.abc import Mapping
from typing import Any

from crm_relay.platform.aws.heartbeat import heartbeat
from crm_relay.platform.clock import LambdaContext
from integration_sync.wiring import answer_browser, run


def handler(event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """An HTTP event is a step of OAuth or a call of the API; everything else is the schedule."""
    return answer_browser(event) if "requestContext" in event else scheduled(event, context)


@heartbeat()
def scheduled(_event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """What is due; any number may run side by side."""
    return run(context)
