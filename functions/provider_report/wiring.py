"""What provider_report is connected to, and its one use case."""

from collections.abc import Mapping
from typing import Any

from crm_relay.installation.installation import install
from crm_relay.outreach.reporting.report_providers import report_providers
from crm_relay.platform.clock import Deadline, LambdaContext, utc_now
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import logger
from provider_report.settings import Settings

_RESERVE_SECONDS = 10.0

installation = PerEnvironment(lambda: install(Settings))


def report(context: LambdaContext) -> Mapping[str, Any]:
    """The day's report, and what is wrong is told."""
    found = report_providers(installation().database, utc_now())
    alerts = installation().send_alerts(Deadline.of_invocation(context, reserve=_RESERVE_SECONDS))
    answer = {"success": True, "rows": found.rows, "drops": len(found.drops), "counters_that_differ": len(found.drift)}
    logger().info("provider report", extra=answer)
    return answer | alerts.as_json()
