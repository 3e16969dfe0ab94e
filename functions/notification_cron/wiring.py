"""What notification_cron is connected to, and its one use case."""

import time
from collections.abc import Mapping
from typing import Any

from crm_relay.installation.installation import Installation, install
from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.release.context import ReleaseContext, SlackChannel
from crm_relay.notifications.release.run_due_deliveries import ReleaseReport, run_due_deliveries
from crm_relay.notifications.tidy_up import mend_left_behind, remove_old, watch_zones
from crm_relay.platform.clock import Clock, Deadline, LambdaContext
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import logger
from crm_relay.platform.parts import Parts
from notification_cron.settings import Settings

_RESERVE_SECONDS = 10.0
_WATCH_EVERY = 10
"""Minutes: time zones change rarely."""

installation = PerEnvironment(lambda: install(Settings))


def run(context: LambdaContext) -> Mapping[str, Any]:
    """What is due, until the time is up."""
    deadline = Deadline.of_invocation(context, reserve=_RESERVE_SECONDS)
    done = run_notifications(installation(), installation().shared_clock(), deadline)
    logger().info("notifications", extra=done)
    return done


def run_notifications(installation: Installation[Settings], clock: Clock, deadline: Deadline) -> dict[str, Any]:
    """One round, and now and then what has to be tidied up.

    No part stops another one; the first error is raised behind the last part.
    """
    database, parts, days = installation.database, Parts(), installation.settings.notification_retention_days
    done = parts.run("deliveries", lambda: run_due_deliveries(database, _context(installation), clock, deadline))
    now = clock()
    if now.minute % _WATCH_EVERY == 0:
        parts.run("zones", lambda: watch_zones(database, now))
    if now.minute == 0:
        parts.run("left behind", lambda: mend_left_behind(database, now))
        parts.run("retention", lambda: remove_old(database, now, days=days, deadline=deadline))
    alerts = installation.send_alerts(deadline)
    parts.raise_first()
    return _summary(done or ReleaseReport()) | alerts.as_json()


def _context(installation: Installation[Settings]) -> ReleaseContext:
    settings = installation.settings
    return ReleaseContext(
        installation.email_provider,
        settings.policy.for_colleagues(),
        settings.public_url.rstrip("/"),
        settings.sender,
        _open_slack,
        time.sleep,
        installation.text_provider,
        LinkRules(settings.app_url, frozenset(settings.notification_link_hosts)),
        settings.unsubscribe_link_key,
    )


def _open_slack(webhook_url: str) -> SlackChannel:
    """Imported only where somebody is notified there."""
    from crm_relay.providers.slack.client import Slack

    return Slack(webhook_url)


def _summary(done: ReleaseReport) -> dict[str, Any]:
    mail = done.mail
    return {
        "success": True,
        "finished": done.is_finished,
        "idle": done.is_idle,
        "deliveries": dict(done.verdicts),
        "digests": dict(done.digests),
        "not_recorded": done.refused,
        "requests": mail.requests,
        "sent": mail.sent,
        "dry_run": mail.dry_run,
        "refused": mail.refused,
        "failed": mail.failed,
        "unknown": mail.unknown,
        "held": mail.held,
        "postponed": mail.postponed,
        "sending_stopped": mail.stopped,
        "texts_sent": done.texts.sent,
        "slack": dict(done.posts),
    }
