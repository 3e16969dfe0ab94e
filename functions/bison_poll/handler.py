"""Entry point of bison_poll: the schedule, or one workspace by name."""

from collections.abc import Mapping
from typing import Any

from bison_poll.wiring import poll
from crm_relay.platform.aws.heartbeat import heartbeat
from crm_relay.platform.clock import LambdaContext


@heartbeat()
def handler(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Read every workspace, or the one that `{"workspace": "…"}` names; answers with what each one gave."""
    return poll(event, context)
