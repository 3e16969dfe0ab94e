"""Entry point of provider_report: once a day."""

from collections.abc import Mapping
from typing import Any

from crm_relay.platform.aws.heartbeat import heartbeat
from crm_relay.platform.clock import LambdaContext
from provider_report.wiring import report


@heartbeat()
def handler(_event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Write the day's rows, tell of reply rates that fell; answers with what was found."""
    return report(context)
