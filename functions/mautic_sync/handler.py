"""Entry point of mautic_sync: schedules, messages of unfinished runs, and POST /api/sync/mautic."""

from collections.abc import Mapping
from typing import Any

from crm_relay.platform.aws.heartbeat import heartbeat
from crm_relay.platform.clock import LambdaContext
from mautic_sync.order import perform, schedules_of
from mautic_sync.wiring import carry_out, installation


@heartbeat(of_messages=schedules_of)
def handler(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Send to Mautic what changed; answers with the counts of the run."""
    return perform(
        event,
        lambda order: carry_out(order, context),
        lambda given: installation().identify(given),
        lambda: installation().settings.api_origins,
    )
