"""What mautic_sync is connected to, and its two use cases: a run of the sync, and a look after the webhook."""

from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.customers.models import SyncOptions, SyncReport
from crm_relay.customers.run import SyncContext
from crm_relay.customers.syncing.sync_customers import sync_contacts
from crm_relay.engagement.match_waiting import match_opt_outs, match_waiting
from crm_relay.installation.installation import install
from crm_relay.operations.watch_webhook import watch_webhook
from crm_relay.platform.aws.queue import publish_alert, send_message
from crm_relay.platform.clock import Deadline, LambdaContext, utc_now
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.fence.clone_fence import ensure_armed
from crm_relay.platform.logging import count_metric, logger
from crm_relay.platform.parts import Parts
from mautic_sync.order import SyncOrder
from mautic_sync.settings import Settings

_RESERVE_SECONDS = 10.0
_STEP_ASIDE_SECONDS = 300
_DATABASE_SECONDS = 70.0


installation = PerEnvironment(lambda: install(Settings, database_seconds=_DATABASE_SECONDS))


def carry_out(order: SyncOrder, context: LambdaContext) -> dict[str, object]:
    """What is ordered: a run of the sync, or a look after the webhook."""
    return watch(context) if order.watch else sync(order, context)


def watch(context: LambdaContext) -> dict[str, object]:
    """See that Mautic still delivers, and read what it did not deliver; report trouble to the operator."""
    deadline = Deadline.of_invocation(context, reserve=_RESERVE_SECONDS)
    ensure_armed(installation().database)
    watched = watch_webhook(installation().database, installation().mautic, utc_now(), deadline)
    counts = {key: value for key, value in watched.answer().items() if key != "contacts"}
    logger().info("mautic webhook watched", extra=counts)
    if watched.trouble:
        count_metric("MauticWebhookOff")
        _alert("CRM Relay: Mautic's webhook", watched.trouble)
    return watched.answer()


def sync(order: SyncOrder, context: LambdaContext) -> dict[str, object]:
    """Run once; what is left is handed on by message, a stop is reported to the operator.

    Events that cannot be given to their customer do not stop the sync; their error is raised behind it.
    """
    parts = Parts()
    parts.run("waiting events", lambda: match_waiting(installation().database, CONTACTS))
    parts.run("waiting opt-outs", lambda: match_opt_outs(installation().database, CONTACTS))
    run = _run(Deadline.of_invocation(context, reserve=_RESERVE_SECONDS, limit=order.limit_seconds))
    report = sync_contacts(run, full=order.full, after=order.after)
    _hand_on(installation().settings.continue_queue_url, order, report)
    _send_alerts(report)
    parts.raise_first()
    return report.answer()


def sync_options(settings: Settings) -> SyncOptions:
    """How a run behaves."""
    return SyncOptions(
        settings.mautic_batch_size,
        settings.mautic_batch_pause_seconds,
        settings.mautic_on_delete,
        settings.mautic_shrink_limit_percent,
        settings.mautic_audit_sample,
    )


def _run(deadline: Deadline) -> SyncContext:
    installed, settings = installation(), installation().settings
    lease = installed.lease(f"mautic:{settings.mautic_url}", settings.mautic_lease_seconds)
    options, report = sync_options(settings), SyncReport(utc_now())
    return SyncContext(installed.database, installed.mautic, lease, options, utc_now, deadline, report)


def _hand_on(queue: str | None, order: SyncOrder, report: SyncReport) -> None:
    """By message: what is left of this run, or a full comparison that met another run and stepped aside."""
    if queue and report.unfinished:
        rest = SyncOrder(full=order.full and report.full_after is not None, after=report.full_after)
        send_message(queue, rest.message())
    elif queue and report.stepped_aside and order.full:
        send_message(queue, order.message(), delay_seconds=_STEP_ASIDE_SECONDS)


def _send_alerts(report: SyncReport) -> None:
    logger().info("mautic sync", extra={key: value for key, value in report.answer().items() if key != "errors"})
    count_metric("MauticContactsFailed", len(report.failures))
    if report.stopped and not report.stepped_aside:
        count_metric("MauticSyncStopped")
    if report.needs_operator:
        _alert("CRM Relay: the Mautic sync has stopped", report.stopped or "")


def _alert(subject: str, message: str) -> None:
    if (topic := installation().settings.alert_topic_arn) is not None:
        publish_alert(topic, subject, message)
