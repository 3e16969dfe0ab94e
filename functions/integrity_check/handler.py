"""Entry point of integrity_check: every hour a look, at night a look at everything with fixes, and what is ordered."""

from collections.abc import Mapping
from typing import Any

from crm_relay.platform.aws.heartbeat import heartbeat
from crm_relay.platform.clock import LambdaContext
from integrity_check.order import schedules_of
from integrity_check.wiring import check


@heartbeat(of_messages=schedules_of)
def handler(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """`{}`, or with `"full"`, `"fix"`, `"dry_run"` and `"approve": [checks]`; answers with counts per check.

    So from a schedule, or as the body of a message of the queue of orders.
    """
    return check(event, context)
