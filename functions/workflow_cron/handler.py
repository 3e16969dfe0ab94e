"""Entry point of workflow_cron: the schedule, every minute, and wake messages; any number may run side by side."""

from collections.abc import Mapping
from typing import Any

from crm_relay.platform.aws.heartbeat import heartbeat
from crm_relay.platform.clock import LambdaContext
from workflow_cron.wiring import run


@heartbeat()
def handler(_event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Do what is due; what a message says does not matter, only that it came."""
    return run(context)
