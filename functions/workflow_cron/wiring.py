"""What workflow_cron is connected to, and its use cases."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crm_relay.installation.installation import Installation, install
from crm_relay.mail.sending.send_batches import SendReport
from crm_relay.notifications.content.links import LinkRules
from crm_relay.platform.clock import Clock, Deadline, LambdaContext, clock_in_step
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.fence.clone_fence import ensure_armed
from crm_relay.platform.http.guarded.guarded_client import GuardedClient
from crm_relay.platform.logging import logger
from crm_relay.platform.parts import Parts
from crm_relay.workflows.approvals.links import PATH
from crm_relay.workflows.approvals.sweeps import repair_approvals
from crm_relay.workflows.backfill.start_backfills import BackfillReport, start_backfills
from crm_relay.workflows.definition.adopt import AdoptReport, adopt
from crm_relay.workflows.engine.run_due import RunReport, run_due, send_mail
from crm_relay.workflows.engine.steps.programs import ProgramCache
from crm_relay.workflows.engine.sweeps import repair_runs, wake_waiting
from crm_relay.workflows.engine.take_runs import RunContext
from crm_relay.workflows.events.listen import close_recovered, listen_to_changes
from crm_relay.workflows.operations.forget_waits import forget_waits
from crm_relay.workflows.operations.retention import WorkflowRetention, remove_old
from crm_relay.workflows.operations.what_is_due import WorkflowsDue, what_is_due
from crm_relay.workflows.run_models import Letterhead
from crm_relay.workflows.starting.programs import Programs
from crm_relay.workflows.starting.refused import close_recovered_starts
from crm_relay.workflows.starting.scheduled.start_scheduled import ScheduleReport, start_scheduled
from crm_relay.workflows.starting.start_runs import StartReport, start_runs
from crm_relay.workflows.webhooks_out.models import WebhookReport
from crm_relay.workflows.webhooks_out.send_due_webhooks import send_due_webhooks
from workflow_cron.settings import Settings

_RESERVE_SECONDS = 10.0
_LEAST_SECONDS = 20.0
"""So long each part may work, whatever the others have taken."""

_REPAIR_EVERY = 5
"""Minutes: what a crash or SQL left behind is rare."""

installation = PerEnvironment(lambda: install(Settings))
programs = PerEnvironment(ProgramCache)
startable = PerEnvironment(Programs)


def run(context: LambdaContext) -> Mapping[str, Any]:
    """What is due, until the time is up."""
    deadline = Deadline.of_invocation(context, reserve=_RESERVE_SECONDS)
    looks: list[WorkflowsDue] = []

    def look() -> datetime:
        looks.append(what_is_due(installation().database))
        return looks[0].looked_at

    # Workers side by side measure by the database's clock; asking for it is the first look as well.
    clock = clock_in_step(look)
    done = run_workflows(installation(), clock, deadline, looks[0])
    logger().info("workflows", extra=done)
    return done


def run_workflows(
    installation: Installation[Settings], clock: Clock, deadline: Deadline, due: WorkflowsDue | None = None
) -> dict[str, Any]:
    """One round; `due` None: it looks first. Two statements more where nothing is due.

    No part stops another one; the first error is raised behind the last part.
    """
    parts, now = Parts(), clock()
    due = due or what_is_due(installation.database, now)
    round_ = _WorkflowRound(installation, clock, deadline, parts)
    if due.is_anything:
        ensure_armed(installation.database)
    round_.work(due, now)
    if now.minute == 0:
        round_.tidy_up(now)
    alerts = installation.send_alerts(deadline)
    parts.raise_first()
    return round_.summary() | {"idle": not due.is_anything} | alerts.as_json()


@dataclass
class _WorkflowRound:
    installation: Installation[Settings]
    clock: Clock
    deadline: Deadline
    parts: Parts
    woken: int = 0
    adopted: AdoptReport = field(default_factory=AdoptReport)
    started: StartReport = field(default_factory=StartReport)
    scheduled: ScheduleReport = field(default_factory=ScheduleReport)
    filled: BackfillReport = field(default_factory=BackfillReport)
    runs: RunReport = field(default_factory=RunReport)
    webhooks: WebhookReport = field(default_factory=WebhookReport)
    mail: SendReport = field(default_factory=SendReport)
    removed: Counter[str] = field(default_factory=Counter)

    def work(self, due: WorkflowsDue, now: datetime) -> None:
        """What SQL did to definitions holds; what happened starts runs; what their steps send leaves."""
        self.adopted = self.parts.run("definitions", lambda: adopt(self.installation.database, now)) or self.adopted
        repaired, is_repair = 0, now.minute % _REPAIR_EVERY == 0
        if due.listening or self.adopted.has_changed or is_repair:
            # What happens before the triggers are there is heard by nobody.
            self.parts.run("listen", lambda: listen_to_changes(self.installation.database, now))
        if is_repair:
            repaired = self.repair(now)
        self.start_what_starts(due)
        if due.waits:
            self.woken = self.parts.run("waits", lambda: wake_waiting(self.installation.database, now)) or 0
        if due.runs or due.waits or due.events or due.schedules or due.backfills or repaired:
            self.take_runs()
        if due.webhooks or self.runs.webhooks:
            self.send_webhooks()
        if self.webhooks.outcomes:
            # Answers let the runs that wait for them go on.
            self.take_runs()
        if due.mails or self.runs.mails:
            self.send_mail()

    def _share(self, part: float) -> Deadline:
        """A flood of one kind of work leaves time for what comes behind it."""
        return self.deadline.share(part, least=_LEAST_SECONDS)

    def repair(self, now: datetime) -> int:
        """What nothing moves any more."""
        database = self.installation.database
        repaired = self.parts.run("repair", lambda: repair_runs(database, now))
        without_approver = self.parts.run("approvals", lambda: repair_approvals(database, now))
        self.parts.run("recovered changes", lambda: close_recovered(database, now))
        self.parts.run("recovered starts", lambda: close_recovered_starts(database, now))
        return sum(repaired or ()) + (without_approver or 0)

    def start_what_starts(self, due: WorkflowsDue) -> None:
        """What happened comes before what was ordered."""
        if due.events:
            self.start()
        if due.schedules:
            self.start_scheduled()
        if due.backfills:
            self.start_backfills()

    def start(self) -> None:
        """By what happened."""
        done = self.parts.run(
            "events", lambda: start_runs(self.installation.database, startable(), self.clock, self._share(0.3))
        )
        self.started = done or self.started

    def start_scheduled(self) -> None:
        """By the clock."""
        done = self.parts.run(
            "schedules", lambda: start_scheduled(self.installation.database, startable(), self.clock, self._share(0.3))
        )
        self.scheduled = done or self.scheduled

    def start_backfills(self) -> None:
        """For records that are there already."""
        done = self.parts.run(
            "backfills", lambda: start_backfills(self.installation.database, startable(), self.clock, self._share(0.2))
        )
        self.filled = done or self.filled

    def take_runs(self) -> None:
        """Their steps."""
        context = _context(self.installation)
        done = self.parts.run(
            "runs", lambda: run_due(self.installation.database, context, self.clock, self._share(0.5))
        )
        if done is not None:
            self.runs += done

    def send_webhooks(self) -> None:
        """What steps have committed."""
        settings = self.installation.settings
        client = GuardedClient(settings.guard_rules)
        done = self.parts.run(
            "webhooks",
            lambda: send_due_webhooks(
                self.installation.database, client, settings.workflow_secrets, self.clock, self._share(0.5)
            ),
        )
        self.webhooks = done or self.webhooks

    def send_mail(self) -> None:
        """What steps have queued."""
        installation, policy = self.installation, self.installation.settings.policy
        done = self.parts.run(
            "mail",
            lambda: send_mail(installation.database, installation.email_provider, policy, self.clock, self.deadline),
        )
        self.mail = done or self.mail

    def tidy_up(self, now: datetime) -> None:
        """What is kept long enough."""
        self.parts.run("waits of former versions", lambda: forget_waits(self.installation.database))
        settings = self.installation.settings
        kept = WorkflowRetention(settings.workflow_log_retention_days, settings.workflow_run_retention_days)
        self.removed = remove_old(self.installation.database, now, self.deadline, kept, self.parts)

    def summary(self) -> dict[str, Any]:
        """Counts alone."""
        mail = self.mail
        return {
            "success": True,
            "finished": self.runs.is_finished and mail.stopped is None,
            "adopted": len(self.adopted.adopted),
            "events": self.started.events,
            "started": self.started.started + self.scheduled.started + self.filled.started,
            "woken": self.woken + self.started.woken,
            "runs": dict(self.runs.outcomes),
            "steps": self.runs.steps,
            "postponed": self.runs.postponed,
            "failed_alone": self.runs.failed_alone,
            "paused": self.runs.paused,
            "webhooks": dict(self.webhooks.outcomes),
            "mails": self.runs.mails,
            "sent": mail.sent,
            "dry_run": mail.dry_run,
            "refused": mail.refused,
            "failed": mail.failed,
            "unknown": mail.unknown,
            "held": mail.held,
            "sending_stopped": mail.stopped,
            "removed": dict(self.removed),
        }


def _context(installation: Installation[Settings]) -> RunContext:
    settings = installation.settings
    public_url = settings.public_url.rstrip("/")
    return RunContext(
        Letterhead(settings.sender, public_url, settings.unsubscribe_link_key),
        LinkRules(settings.app_url, frozenset(settings.notification_link_hosts), f"{public_url}{PATH}"),
        installation.wake_notifications,
        programs(),
    )
