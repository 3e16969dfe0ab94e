"""The one alert that leaves a database that is not armed: that it is not."""

from collections.abc import Sequence
from datetime import datetime

from crm_relay.incidents.message import AlertMessage
from crm_relay.incidents.send_alerts import AlertChannel, AlertReport
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError, describe_error
from crm_relay.platform.fence.clone_fence import NotArmed, claim_report
from crm_relay.platform.logging import count_metric, logger

_TITLE = "CRM Relay is not armed"


def report_fence(db: Database, channels: Sequence[AlertChannel], now: datetime) -> AlertReport:
    """Send it to every channel, once a day; incidents of the copy stay where they are. Raises as Database.run."""
    logger().error("the database is not armed: nothing leaves it")
    count_metric("InstallationNotArmed")
    if not channels or not claim_report(db, now.isoformat()):
        return AlertReport(0, 0)
    message = AlertMessage(_TITLE, f"{_TITLE}: {NotArmed()}")
    outcomes = [_is_sent(channel, message) for channel in channels]
    return AlertReport(sum(outcomes), len(outcomes) - sum(outcomes))


def _is_sent(channel: AlertChannel, message: AlertMessage) -> bool:
    try:
        channel.send(message)
    except (FatalError, RejectedInput, TransientError) as error:
        logger().error("the fence was not reported", channel=channel.name, reason=describe_error(error))
        return False
    return True
