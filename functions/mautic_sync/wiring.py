"""Builds the outside world of mautic_sync, once per execution environment."""

from dataclasses import dataclass
from functools import cached_property

from crm_relay.customers.models import SyncOptions, SyncReport
from crm_relay.customers.run import SyncContext
from crm_relay.customers.syncing.sync_customers import sync_contacts
from crm_relay.engagement.match_waiting import match_waiting
from crm_relay.operations.access.tokens import identify
from crm_relay.operations.watch_webhook import watch_webhook
from crm_relay.platform.aws.lease import Lease
from crm_relay.platform.aws.queue import publish_alert, send_message
from crm_relay.platform.clock import Deadline, LambdaContext, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.callers import Caller
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.logging import count_metric, logger
from crm_relay.platform.settings import read_settings
from crm_relay.providers.mautic.client import Mautic
from mautic_sync.order import SyncOrder
from mautic_sync.settings import Settings

_RESERVE_SECONDS = 10.0
_STEP_ASIDE_SECONDS = 300


@dataclass(frozen=True)
class MauticSync:
    """What outlives one invocation: connections and the access token."""

    settings: Settings

    @cached_property
    def database(self) -> Database:
        """Opened on first use."""
        return Database(self.settings.database_url, ca_file=self.settings.database_ca_file, timeout=70.0)

    @cached_property
    def mautic(self) -> Mautic:
        """One session, one token."""
        http = HttpClient(self.settings.mautic_url, timeout=(5.0, self.settings.mautic_request_timeout_seconds))
        return Mautic(http, self.settings.mautic_client_id, self.settings.mautic_client_secret)

    def identify(self, authorization: str) -> Caller | None:
        """Whose token it is that orders a run by hand."""
        return identify(self.database, self.settings.admin_token, authorization, utc_now())

    def carry_out(self, order: SyncOrder, context: LambdaContext) -> dict[str, object]:
        """What is ordered: a run of the sync, or a look after the webhook."""
        return self.watch(context) if order.watch else self.sync(order, context)

    def watch(self, context: LambdaContext) -> dict[str, object]:
        """See that Mautic still delivers, and read what it did not deliver; trouble is told to the operator."""
        deadline = Deadline.of_invocation(context, reserve=_RESERVE_SECONDS)
        watched = watch_webhook(self.database, self.mautic, utc_now(), deadline)
        told = {key: value for key, value in watched.answer().items() if key != "contacts"}
        logger().info("mautic webhook watched", extra=told)
        if watched.trouble:
            count_metric("MauticWebhookOff")
            self._alert("CRM Relay: Mautic's webhook", watched.trouble)
        return watched.answer()

    def sync(self, order: SyncOrder, context: LambdaContext) -> dict[str, object]:
        """Run once; what is left is handed on by message, a stop is told to the operator."""
        match_waiting(self.database)
        run = self._run(Deadline.of_invocation(context, reserve=_RESERVE_SECONDS, limit=order.limit_seconds))
        report = sync_contacts(run, full=order.full, after=order.after)
        self._hand_on(order, report)
        self._tell(report)
        return report.answer()

    def _run(self, deadline: Deadline) -> SyncContext:
        settings = self.settings
        lease = Lease(settings.coordination_table, f"mautic:{settings.mautic_url}", settings.mautic_lease_seconds)
        return SyncContext(self.database, self.mautic, lease, self.options, utc_now, deadline, SyncReport(utc_now()))

    @property
    def options(self) -> SyncOptions:
        """How a run behaves."""
        settings = self.settings
        return SyncOptions(
            settings.mautic_batch_size,
            settings.mautic_batch_pause_seconds,
            settings.mautic_on_delete,
            settings.mautic_shrink_limit_percent,
            settings.mautic_audit_sample,
        )

    def _hand_on(self, order: SyncOrder, report: SyncReport) -> None:
        """By message: what is left of this run, or a full comparison that met another run and stepped aside."""
        queue = self.settings.continue_queue_url
        if queue and report.unfinished:
            rest = SyncOrder(full=order.full and report.full_after is not None, after=report.full_after)
            send_message(queue, rest.message())
        elif queue and report.stepped_aside and order.full:
            send_message(queue, order.message(), delay_seconds=_STEP_ASIDE_SECONDS)

    def _tell(self, report: SyncReport) -> None:
        logger().info("mautic sync", extra={key: value for key, value in report.answer().items() if key != "errors"})
        count_metric("MauticContactsFailed", len(report.failures))
        if report.stopped and not report.stepped_aside:
            count_metric("MauticSyncStopped")
        if report.needs_operator:
            self._alert("CRM Relay: the Mautic sync has stopped", report.stopped or "")

    def _alert(self, subject: str, message: str) -> None:
        if self.settings.alert_topic_arn:
            publish_alert(self.settings.alert_topic_arn, subject, message)


world = PerEnvironment(lambda: MauticSync(read_settings(Settings)))
