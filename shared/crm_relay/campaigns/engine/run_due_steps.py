"""Everything that is due: claimed, decided, queued and recorded in one transaction, and only then sent."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from crm_relay.campaigns.engine import store
from crm_relay.campaigns.engine.follow_adopted import settle_and_follow
from crm_relay.campaigns.engine.make_steps import EngineContext
from crm_relay.campaigns.engine.settle import settle_texts
from crm_relay.campaigns.engine.stop import stop_answered
from crm_relay.campaigns.engine.take_steps import BATCH, StepsTaken, look_again, take_steps
from crm_relay.campaigns.queued.ask_again import ask_held_again
from crm_relay.campaigns.queued.still_wanted import still_wanted
from crm_relay.campaigns.unsettled.settle_again import settle_again
from crm_relay.campaigns.watch.hold_campaigns import release_repaired
from crm_relay.mail.models import Mode
from crm_relay.mail.modes.mail_mode import note_mode
from crm_relay.mail.sending.send_batches import SendContext, SendReport, send_batch, send_due
from crm_relay.mail.texts.send_texts import TextContext, TextReport, send_texts
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.fence.clone_fence import ensure_armed
from crm_relay.providers.text import NoTextProvider

__all__ = ["BATCH", "EngineContext", "EngineReport", "run_due_steps"]

# A batch with its request and the time that the provider may take for it.
_BATCH_SECONDS = 25.0


@dataclass
class EngineReport:
    """What a run did. `acts` counts decisions by what was done; `errors`: steps that could not be made.

    `answered`: sequences that a reply ended. `kept`: people who are due and keep their place because of SEND_MODE.
    `is_finished` False: the time was up, or the provider wants a rest.
    """

    batches: int = 0
    acts: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    answered: int = 0
    kept: int = 0
    mail: SendReport = field(default_factory=SendReport)
    texts: TextReport = field(default_factory=TextReport)
    is_finished: bool = False

    @property
    def claimed(self) -> int:
        """How many steps were taken up."""
        return self.acts.total() + self.errors


def run_due_steps(db: Database, context: EngineContext, clock: Clock, deadline: Deadline) -> EngineReport:
    """Until nothing is due or time is up. Any number may run side by side and be killed at any line.

    What a killed run had queued leaves first. For each batch: replies that are here end their sequences, then it is
    claimed, decided, queued and recorded in one transaction, and only what that has committed is sent. In dry-run
    nothing is claimed, and what is queued waits; with an allow-list that is so for everybody who is not on it. Raises
    what the database raises where it is nobody's row; whatever one campaign's or person's rows cause is theirs alone.
    """
    ensure_armed(db)
    return _Engine(db, context, clock, deadline).run()


@dataclass
class _Engine:
    db: Database
    context: EngineContext
    clock: Clock
    deadline: Deadline
    report: EngineReport = field(default_factory=EngineReport)

    def run(self) -> EngineReport:
        note_mode(self.db, self.context.policy, self.clock())
        ask_held_again(self.db, self.clock())
        release_repaired(self.db, self.clock())
        settle_again(self.db, self.clock())
        if self._begins_steps:
            self._carry(look_again(self.db, self.context, self.clock()))
        self._send_waiting()
        self._take_all()
        # What a refusal has split in parts, or was held for a moment only.
        self._send_waiting()
        self._send_texts()
        settle_again(self.db, self.clock())
        self.report.is_finished &= self.report.mail.stopped is None
        if self.context.policy.mode is not Mode.LIVE:
            self.report.kept = store.kept_due(self.db, self.clock())
        return self.report

    @property
    def _begins_steps(self) -> bool:
        """In dry-run nobody leaves their place, not even for a task or a wait: live begins where everybody is."""
        return self.context.policy.mode is not Mode.DRY_RUN

    def _take_all(self) -> None:
        if not self._begins_steps:
            self.report.is_finished = True
            return
        while self.deadline.allows(_BATCH_SECONDS):
            taken = take_steps(self.db, self.context, self.clock(), with_mail=self.report.mail.stopped is None)
            self._carry(taken)
            if not any(each.outcomes for each in taken):
                self.report.is_finished = True
                break

    @cached_property
    def send_context(self) -> SendContext:
        return SendContext(self.db, self.context.emails, self.context.policy.for_campaigns())

    def _carry(self, taken: Iterable[StepsTaken]) -> None:
        for each in taken:
            self._count(each)
            self._send(each.senders)

    def _count(self, batch: StepsTaken) -> None:
        self.report.batches += bool(batch.outcomes)
        self.report.acts += batch.acts
        self.report.errors += batch.refused + sum(each.error is not None for each in batch.outcomes)
        self.report.answered += batch.answered

    def _send_waiting(self) -> None:
        """Nothing where the provider wants a rest."""
        if self.report.mail.stopped is not None:
            return
        # Before anything leaves: what is queued may be for somebody who has answered since.
        self.report.answered += stop_answered(self.db, self.clock())
        self.report.mail += send_due(
            self.send_context,
            clock=self.clock,
            deadline=self.deadline,
            settle=settle_and_follow,
            still_wanted=still_wanted,
        )

    def _send(self, senders: int) -> None:
        for _ in range(senders):
            if self.report.mail.stopped is not None or not self.deadline.allows(_BATCH_SECONDS):
                return
            sent = send_batch(self.send_context, clock=self.clock, settle=settle_and_follow, still_wanted=still_wanted)
            self.report.mail += sent or SendReport()

    def _send_texts(self) -> None:
        """Also without a provider: what was queued while there was one waits with its reason."""
        policy = self.context.policy.for_campaigns()
        context = TextContext(self.db, self.context.texts or NoTextProvider(), policy)
        self.report.texts = send_texts(
            context, clock=self.clock, deadline=self.deadline, settle=settle_texts, still_wanted=still_wanted
        )
