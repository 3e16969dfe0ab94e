"""Entry point of campaign_cron: the schedule, every minute; any number may run side by side."""

from collections.abc import Mapping
from typing import Any

from campaign_cron.wiring import run
from crm_relay.platform.aws.heartbeat import heartbeat
from crm_relay.platform.clock import LambdaContext


@heartbeat()
def handler(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Do what is due; `{"judge": true}` also looks at the A/B tests, which else happens once an hour."""
    return run(event, context)
