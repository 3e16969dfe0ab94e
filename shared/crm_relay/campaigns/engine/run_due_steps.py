"""Everything that is due: claimed, decided, queued and recorded in one transaction, and only then sent."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from crm_relay.campaigns.content import letter_of, text_of
from crm_relay.campaigns.decisions import decide, window_of
from crm_relay.campaigns.engine import store
from crm_relay.campaigns.engine.claim import Claimed, claim_due
from crm_relay.campaigns.engine.follow_adopted import settle_and_follow
from crm_relay.campaigns.engine.outcomes import StepOutcome, failed, outcome_of
from crm_relay.campaigns.engine.settle import settle_texts
from crm_relay.campaigns.engine.stop import stop_answered, take_turn
from crm_relay.campaigns.load_campaign import OF_ONE_ROW
from crm_relay.campaigns.models import Act, Campaign, Capabilities, DueEnrollment, StepDecision
from crm_relay.campaigns.queued.ask_again import ask_held_again
from crm_relay.campaigns.queued.still_wanted import still_wanted
from crm_relay.campaigns.watch.faults import CONTENT, UNREADABLE, CampaignFault, problem_of_step
from crm_relay.campaigns.watch.hold_campaigns import release_repaired, report_faults
from crm_relay.mail.compose import compose
from crm_relay.mail.models import Identity, Mail, SendPolicy
from crm_relay.mail.queue import queueing
from crm_relay.mail.sending.send_batches import SendContext, SendReport, send_batch, send_due
from crm_relay.mail.texts.models import TextDraft
from crm_relay.mail.texts.send_texts import TextContext, TextReport, send_texts
from crm_relay.mail.texts.store import queueing_texts
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import RejectedInput, describe_error
from crm_relay.platform.fence.clone_fence import ensure_armed
from crm_relay.platform.logging import logger
from crm_relay.providers.email import EmailProvider
from crm_relay.providers.text import TextProvider
from crm_relay.rules.send_windows import next_open

BATCH = 100
"""As many as one request takes."""

# A batch with its request and the time that the provider may take for it.
_BATCH_SECONDS = 25.0
_AFTER_AN_ERROR = timedelta(minutes=15)
_UNTIL_LOOKED_AT_AGAIN = timedelta(hours=1)


@dataclass(frozen=True)
class EngineContext:
    """What steps need besides the database.

    `sender`: EMAIL_FROM, where an organization has no identity. `texts` None: text messages are not configured.
    `public_url` is where the function `unsubscribe` answers; `link_keys` sign its links.
    """

    emails: EmailProvider
    policy: SendPolicy
    public_url: str
    sender: Identity | None = None
    texts: TextProvider | None = None
    link_keys: tuple[str, ...] = ()

    @property
    def can(self) -> Capabilities:
        """What the installation can do."""
        return Capabilities(sms=self.texts is not None)


@dataclass
class EngineReport:
    """What a run did. `acts` counts decisions by what was done; `errors`: steps that could not be made.

    `answered`: sequences that a reply ended. `is_finished` False: the time was up, or the provider wants a rest.
    """

    batches: int = 0
    acts: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    answered: int = 0
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
    claimed, decided, queued and recorded in one transaction, and only what that has committed is sent. Raises what the
    database raises; a step that cannot be made is its enrollment's error and nobody else's.
    """
    ensure_armed(db)
    return _Engine(db, context, clock, deadline).run()


@dataclass(frozen=True)
class _Batch:
    """What one transaction decided; `senders` counts the organizations that have mail in it: a request each."""

    outcomes: tuple[StepOutcome, ...]
    acts: Counter[str]
    senders: int
    answered: int


@dataclass
class _Engine:
    db: Database
    context: EngineContext
    clock: Clock
    deadline: Deadline
    report: EngineReport = field(default_factory=EngineReport)
    limit: int = BATCH
    # Who was claimed by the transaction that runs, in case the database refuses what was made of it.
    claimed: Claimed = field(default_factory=lambda: Claimed((), {}))

    def run(self) -> EngineReport:
        ask_held_again(self.db, self.clock())
        release_repaired(self.db, self.clock())
        self._send_waiting()
        while self.deadline.allows(_BATCH_SECONDS):
            batch = self._next_batch()
            if batch is None:
                continue
            self._count(batch)
            self._send(batch.senders)
            if not batch.outcomes:
                self.report.is_finished = True
                break
        # What a refusal has split in parts, or was held for a moment only.
        self._send_waiting()
        self._send_texts()
        self.report.is_finished &= self.report.mail.stopped is None
        return self.report

    @cached_property
    def send_context(self) -> SendContext:
        return SendContext(self.db, self.context.emails, self.context.policy)

    def _next_batch(self) -> _Batch | None:
        """None: the database refused something in it, and the next try takes fewer."""
        now = self.clock()
        try:
            batch = self.db.transact(lambda tx: self._take(tx, now))
        except RejectedInput as error:
            self._narrow(error, now)
            return None
        self.limit = BATCH
        return batch

    def _take(self, tx: Transaction, now: datetime) -> _Batch:
        self.claimed = Claimed((), {})
        answered = take_turn(tx, now)
        with_mail = self.report.mail.stopped is None
        claimed = claim_due(tx, self.context.sender, now, limit=self.limit, with_mail=with_mail)
        self.claimed = claimed
        made = _Making(self.context, claimed, now)
        made.make()
        writes = [queueing(made.mails, now)] if made.mails else []
        writes += [queueing_texts(made.texts, now)] if made.texts else []
        report_faults(tx, made.faults, now)
        if made.outcomes:
            tx.finish([*writes, store.recording(made.outcomes, now)])
        return _Batch(tuple(made.outcomes), made.acts, len({mail.org_id for mail in made.mails}), answered)

    def _narrow(self, error: RejectedInput, now: datetime) -> None:
        """One row that the database does not take would hold up all the others: it is found, and waits alone."""
        enrolled = self.claimed.enrolled
        if not enrolled:
            raise error
        if len(enrolled) > 1:
            self.limit = max(1, len(enrolled) // 10)
            return
        logger().warning("a step cannot be recorded", enrollments=[str(each.id) for each in enrolled])
        outcomes = [
            failed(each, str(error), _again_at(self.claimed.campaigns.get(each.campaign_id), each, now))
            for each in enrolled
        ]
        self.db.transact(lambda tx: tx.finish([store.recording(outcomes, now)]))
        self.report.errors += len(outcomes)

    def _count(self, batch: _Batch) -> None:
        self.report.batches += bool(batch.outcomes)
        self.report.acts += batch.acts
        self.report.errors += sum(each.error is not None for each in batch.outcomes)
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
        if self.context.texts is not None:
            context = TextContext(self.db, self.context.texts, self.context.policy)
            self.report.texts = send_texts(
                context, clock=self.clock, deadline=self.deadline, settle=settle_texts, still_wanted=still_wanted
            )


@dataclass
class _Making:
    """Decides about a batch, one by one; nothing here asks anybody."""

    context: EngineContext
    claimed: Claimed
    now: datetime
    outcomes: list[StepOutcome] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    texts: list[TextDraft] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    faults: list[CampaignFault] = field(default_factory=list)
    # Step -> what is wrong with it, whoever it is for.
    problems: dict[UUID, str | None] = field(default_factory=dict)

    def make(self) -> None:
        for enrolled in self.claimed.enrolled:
            campaign = self.claimed.campaigns.get(enrolled.campaign_id)
            if campaign is None:
                problem = self.claimed.unreadable.get(enrolled.campaign_id, "unknown")
                self._hold(enrolled, CampaignFault(enrolled.campaign_id, UNREADABLE, problem))
                continue
            try:
                self._one(enrolled, campaign)
            except OF_ONE_ROW as error:
                self._fail(enrolled, campaign, error)

    def _fail(self, enrolled: DueEnrollment, campaign: Campaign, error: Exception) -> None:
        if (problem := self._problem_of_step(enrolled, campaign)) is not None:
            self._hold(enrolled, CampaignFault(campaign.id, CONTENT, problem))
            return
        self.outcomes.append(failed(enrolled, describe_error(error), _again_at(campaign, enrolled, self.now)))

    def _problem_of_step(self, enrolled: DueEnrollment, campaign: Campaign) -> str | None:
        step = campaign.step_after(enrolled.current_step)
        if step is None:
            return None
        if step.id not in self.problems:
            self.problems[step.id] = problem_of_step(campaign, step)
        return self.problems[step.id]

    def _hold(self, enrolled: DueEnrollment, fault: CampaignFault) -> None:
        """It is the campaign's fault: three such errors must not pause everybody in it, one by one."""
        self.faults.append(fault)
        # A repair lets them go on at once; this is for one that nobody noticed.
        again_at = self.now + _UNTIL_LOOKED_AT_AGAIN
        decision = StepDecision(enrolled.id, Act.MOVE, reason=fault.held_for, next_at=again_at)
        self.outcomes.append(outcome_of(decision, enrolled, self.now))
        self.acts[decision.act.value] += 1

    def _one(self, enrolled: DueEnrollment, campaign: Campaign) -> None:
        decision = decide(enrolled, campaign, self.now, self.context.can)
        outcome = outcome_of(decision, enrolled, self.now)
        if decision.act is Act.EMAIL:
            self.mails.append(self._mail(decision, enrolled, campaign))
        elif decision.act is Act.SMS:
            self.texts.append(text_of(decision, enrolled, campaign))
        self.outcomes.append(outcome)
        self.acts[decision.act.value] += 1

    def _mail(self, decision: StepDecision, enrolled: DueEnrollment, campaign: Campaign) -> Mail:
        if campaign.identity is None:
            raise RejectedInput("the campaign has no sender")
        letter, context = letter_of(decision, enrolled, campaign), self.context
        return compose(letter, campaign.identity, context.public_url, context.link_keys)


def _again_at(campaign: Campaign | None, enrolled: DueEnrollment, now: datetime) -> datetime:
    """After an error; inside the window, where it is known."""
    later = now + _AFTER_AN_ERROR
    return later if campaign is None else next_open(window_of(campaign, enrolled.timezone), later)
