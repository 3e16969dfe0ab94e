"""Everything that is due of workflows' runs: taken batch by batch, each run's trouble its own, and its mail sent."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import open_incidents
from crm_relay.mail.models import SendPolicy
from crm_relay.mail.purposes import WORKFLOW
from crm_relay.mail.sending.send_batches import SendContext, SendReport, send_due
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import OF_ONE_ROW, describe_error
from crm_relay.platform.fence.clone_fence import ensure_armed
from crm_relay.platform.logging import logger
from crm_relay.providers.email import EmailProvider
from crm_relay.rules.in_parts import in_parts
from crm_relay.workflows.engine import store
from crm_relay.workflows.engine.report import REFUSED
from crm_relay.workflows.engine.settle import settle, still_wanted
from crm_relay.workflows.engine.take_runs import RunContext, RunsTaken, StepRefused, TakeOrder, take_runs

_BATCH_SECONDS = 10.0
_MOST_STEPS_ALONE = 50
_REFUSED_TITLE = "A run of a workflow can neither be taken nor recorded"


@dataclass
class RunReport:
    """What was done. `outcomes` counts runs by their status, each time that one was taken; `steps` those taken.

    `postponed`: another transaction had their record. `failed_alone`: a row of theirs stopped others. `paused`
    workflows have used up their budget. `is_finished` False: the time was up.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    batches: int = 0
    mails: int = 0
    webhooks: int = 0
    postponed: int = 0
    failed_alone: int = 0
    paused: int = 0
    mail: SendReport = field(default_factory=SendReport)
    is_finished: bool = True

    def __iadd__(self, other: "RunReport") -> "RunReport":
        """Both together; finished where the later one is."""
        self.outcomes += other.outcomes
        for name in ("steps", "batches", "mails", "webhooks", "postponed", "failed_alone", "paused"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.is_finished = other.is_finished
        return self

    def count(self, taken: RunsTaken) -> None:
        """One transaction more."""
        self.outcomes += taken.outcomes
        self.steps += sum(len(each.steps) for each in taken.advanced)
        self.batches += bool(taken.claimed)
        self.mails += taken.mails
        self.webhooks += taken.webhooks
        self.postponed += taken.postponed
        self.paused += len(taken.over_budget)


def run_due(db: Database, context: RunContext, clock: Clock, deadline: Deadline) -> RunReport:
    """Until nothing is due or time is up. Any number may run side by side and be killed at any line.

    Two messages where nothing is due. What the database or a step refuses of one run is the failure of that run alone;
    raises what concerns no row.
    """
    ensure_armed(db)
    taking = _TakingRuns(db, context, clock)
    while True:
        if not deadline.allows(_BATCH_SECONDS):
            taking.report.is_finished = False
            return taking.report
        if not taking.batch():
            return taking.report


def send_mail(db: Database, emails: EmailProvider, policy: SendPolicy, clock: Clock, deadline: Deadline) -> SendReport:
    """Mail of workflows that is in the ledger; limits, caps, opt-outs and the brake as for that of campaigns."""
    ensure_armed(db)
    return send_due(
        SendContext(db, emails, policy),
        clock=clock,
        deadline=deadline,
        settle=settle,
        still_wanted=still_wanted,
        purposes=(WORKFLOW,),
    )


@dataclass
class _TakingRuns:
    db: Database
    context: RunContext
    clock: Clock
    report: RunReport = field(default_factory=RunReport)

    def batch(self) -> bool:
        """Whether anything was done: another batch may be due."""
        taken = RunsTaken()
        try:
            self._take(TakeOrder(), taken)
        except StepRefused as error:
            self._each(error.runs)
        except OF_ONE_ROW as error:
            if not taken.claimed:
                raise
            logger().warning("a run stops the others of its batch", reason=describe_error(error))
            in_parts(taken.claimed, self._part)
        return bool(taken.claimed)

    def _take(self, order: TakeOrder, taken: RunsTaken) -> None:
        now = self.clock()
        self.db.transact(_work(self.context, now, order, taken))
        if taken.over_budget:
            # A workflow is locked before its runs, so not by the transaction that holds them.
            store.pause_workflows(self.db, taken.over_budget, now)
        self.report.count(taken)

    def _part(self, runs: Sequence[UUID]) -> None:
        """Some of a batch; one alone fails by itself."""
        if len(runs) == 1:
            self._alone(runs[0])
            return
        try:
            self._take(TakeOrder(only=runs), RunsTaken())
        except StepRefused as error:
            self._each(error.runs)
            self._take(TakeOrder(only=[each for each in runs if each not in error.runs]), RunsTaken())

    def _each(self, runs: Sequence[UUID]) -> None:
        for run in runs:
            self._alone(run)

    def _alone(self, run: UUID) -> None:
        """Step by step, so that those before the one that fails count."""
        for _ in range(_MOST_STEPS_ALONE):
            taken = RunsTaken()
            try:
                self._take(TakeOrder(only=[run], steps=1), taken)
            except OF_ONE_ROW as error:
                self._fail(run, error)
                return
            if not any(each.state.next_run_at is not None for each in taken.advanced):
                return

    def _fail(self, run: UUID, error: Exception) -> None:
        self.report.failed_alone += 1
        try:
            self._take(TakeOrder(only=[run], steps=1, faults={run: error}), RunsTaken())
        except OF_ONE_ROW as worse:
            self._set_aside(run, worse)

    def _set_aside(self, run: UUID, error: Exception) -> None:
        reason, now = describe_error(error), self.clock()
        logger().error("a run can neither be taken nor recorded", execution=str(run), reason=reason)
        open_incidents(self.db, [Incident(REFUSED, str(run), _REFUSED_TITLE, details={"problem": reason})], now)
        store.set_aside(self.db, run, reason, now)


def _work(context: RunContext, now: datetime, order: TakeOrder, taken: RunsTaken) -> Callable[..., None]:
    return lambda tx: take_runs(tx, context, now, order, taken)
