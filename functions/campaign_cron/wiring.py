"""What campaign_cron is connected to, and its one use case."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from campaign_cron.settings import Settings
from crm_relay.campaigns.ab.judge_variants import judge_variants
from crm_relay.campaigns.engine.run_due_steps import EngineContext, EngineReport, run_due_steps
from crm_relay.campaigns.watch.fold_totals import fold_totals
from crm_relay.campaigns.watch.give_times import give_times
from crm_relay.campaigns.watch.hold_campaigns import release_unreported
from crm_relay.campaigns.watch.watch_locks import watch_locks
from crm_relay.installation.installation import Installation, install
from crm_relay.mail.feedback.read_inbound import read_inbound
from crm_relay.mail.models import Mode
from crm_relay.mail.senders.watch_senders import watch_senders
from crm_relay.mail.stops.stop_sending import watch_stops
from crm_relay.platform.clock import Clock, Deadline, LambdaContext
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import logger
from crm_relay.platform.parts import Parts

_RESERVE_SECONDS = 10.0
_WATCH_EVERY = 10
"""Minutes: a look at senders goes through the mail of a week, at times and locks through all running campaigns."""

installation = PerEnvironment(lambda: install(Settings))


def run(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """What is due, until the time is up."""
    deadline = Deadline.of_invocation(context, reserve=_RESERVE_SECONDS)
    clock = installation().shared_clock()
    judges = event.get("judge") is True or _is_hourly(clock())
    done = run_campaigns(installation(), clock, deadline, judges=judges)
    logger().info("campaigns", extra=done)
    return done


def run_campaigns(
    installation: Installation[Settings], clock: Clock, deadline: Deadline, *, judges: bool
) -> dict[str, Any]:
    """One round: replies first, so that nobody is written to who has answered, and senders in bad health.

    No part stops another one; the first error is raised behind the last part.
    """
    database, parts = installation.database, Parts()
    if (inbound := installation.inbound_provider) is not None:
        parts.run("replies", lambda: read_inbound(database, inbound, clock=clock, deadline=deadline))
    if clock().minute % _WATCH_EVERY == 0:
        parts.run("senders", lambda: watch_senders(database, clock()))
        parts.run("holds", lambda: release_unreported(database, clock()))
        parts.run("times", lambda: give_times(database, clock()))
    done = parts.run("steps", lambda: run_due_steps(database, _engine(installation), clock, deadline))
    if clock().minute % _WATCH_EVERY == 0:
        parts.run("stops", lambda: watch_stops(database, clock()))
        parts.run("locks", lambda: watch_locks(database, clock()))
    parts.run("totals", lambda: fold_totals(database))
    judged = parts.run("tests", lambda: judge_variants(database, clock())) if judges else None
    alerts = installation.send_alerts(deadline)
    parts.raise_first()
    return (
        _summary(done or EngineReport(), installation.settings.send_mode)
        | {"tests_judged": len(judged or ())}
        | alerts.as_json()
    )


def _engine(installation: Installation[Settings]) -> EngineContext:
    settings, emails = installation.settings, installation.email_provider
    public_url = settings.public_url.rstrip("/")
    texts, link_keys = installation.text_provider, settings.unsubscribe_link_key
    return EngineContext(emails, settings.policy, public_url, settings.sender, texts, link_keys)


def _is_hourly(now: datetime) -> bool:
    return now.minute == 0


def _summary(done: EngineReport, mode: Mode) -> dict[str, Any]:
    mail = done.mail
    return {
        "success": True,
        "finished": done.is_finished,
        "mail_mode": mode.value,
        "kept": done.kept,
        "steps": dict(done.acts),
        "errors": done.errors,
        "answered": done.answered,
        "requests": mail.requests,
        "sent": mail.sent,
        "refused": mail.refused,
        "failed": mail.failed,
        "unknown": mail.unknown,
        "held": mail.held,
        "postponed": mail.postponed,
        "sending_stopped": mail.stopped,
        "texts_sent": done.texts.sent,
    }
