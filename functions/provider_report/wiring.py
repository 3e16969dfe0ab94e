"""The outside world of provider_report, built once per execution environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crm_relay.incidents.channels import channels
from crm_relay.incidents.send_alerts import send_alerts
from crm_relay.outreach.reporting.report_providers import report_providers
from crm_relay.platform.clock import Deadline, LambdaContext, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import logger
from crm_relay.platform.settings import read_settings
from provider_report.settings import Settings

_RESERVE_SECONDS = 10.0


@dataclass(frozen=True)
class ProviderReporting:
    """What outlives one invocation."""

    database: Database
    channels: list[Any]


def _build() -> ProviderReporting:
    settings = read_settings(Settings)
    database = Database(settings.database_url, ca_file=settings.database_ca_file, timeout=65.0)
    return ProviderReporting(database, channels(settings.alert_slack_webhook_url, settings.alert_topic_arn))


world = PerEnvironment(_build)


def report(context: LambdaContext) -> Mapping[str, Any]:
    """The day's report, and what is wrong is told."""
    here = world()
    found = report_providers(here.database, utc_now())
    deadline = Deadline.of_invocation(context, reserve=_RESERVE_SECONDS)
    told = send_alerts(here.database, here.channels, utc_now(), deadline=deadline)
    answer = {"success": True, "rows": found.rows, "drops": len(found.drops), "counters_that_differ": len(found.drift)}
    logger().info("provider report", extra=answer)
    return answer | {"incidents_told": told.sent, "incidents_waiting": told.failed}
