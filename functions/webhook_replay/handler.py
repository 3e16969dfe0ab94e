"""Messages of the deferred queue and of its dead-letter queue; and once a night the end of old deliveries."""

from typing import Any

from crm_relay.platform.aws.heartbeat import heartbeat
from webhook_replay.wiring import perform


@heartbeat()
def handler(event: dict[str, Any], context: Any) -> Any:
    """Of messages those that failed, so that only these come again; of the schedule what was forgotten."""
    return perform(event, context)
