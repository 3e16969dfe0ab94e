"""Takes a batch of runs that are due in one transaction: claimed, decided, written and recorded."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from crm_relay.incidents.record import close_free_incidents, opening
from crm_relay.mail.purposes import WORKFLOW
from crm_relay.mail.queue import queueing
from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.notify import notify
from crm_relay.platform.database import Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Statement
from crm_relay.workflows.actions.effects import (
    Effect,
    FieldWrite,
    LetterOut,
    NewActivity,
    NoticeOut,
    Rotated,
    StateEntered,
    WebhookOut,
)
from crm_relay.workflows.approvals.models import UNDECIDABLE
from crm_relay.workflows.approvals.steps.record import decidable_again, recording_approvals, undecidable
from crm_relay.workflows.engine import store
from crm_relay.workflows.engine.claim import ClaimedBatch, ClaimedRun, read_batch
from crm_relay.workflows.engine.report import FAILING, failures, notices_to_owners
from crm_relay.workflows.engine.rows import rows_of
from crm_relay.workflows.engine.steps.decisions import advance, broken, cancelled
from crm_relay.workflows.engine.steps.outcomes import Advanced, StepLimits
from crm_relay.workflows.engine.steps.programs import ProgramCache
from crm_relay.workflows.engine.steps.writes import causes_of, fields_of
from crm_relay.workflows.run_models import Letterhead

E = TypeVar("E")

BATCH = 100
_BUSY_IS_TRIED_AGAIN = timedelta(seconds=10)
_NO_LINKS = LinkRules()


@dataclass(frozen=True)
class RunContext:
    """What runs need besides the database. `wake` is called after a commit that made a notification due."""

    letterhead: Letterhead
    links: LinkRules = _NO_LINKS
    wake: Callable[[], None] | None = None
    programs: ProgramCache = field(default_factory=ProgramCache)


@dataclass(frozen=True)
class TakeOrder:
    """What is taken: `only` these runs, each so many `steps`; `faults` by run, of a step that failed before."""

    only: Sequence[UUID] | None = None
    without: Sequence[UUID] = ()
    steps: int | None = None
    faults: Mapping[UUID, Exception] = field(default_factory=dict)
    limit: int = BATCH


@dataclass
class RunsTaken:
    """What one transaction did. `claimed` is filled before anything can go wrong with what was claimed.

    `over_budget`: workflows that have to be paused, behind the commit.
    """

    claimed: tuple[UUID, ...] = ()
    advanced: tuple[Advanced, ...] = ()
    postponed: int = 0
    over_budget: tuple[UUID, ...] = ()

    @property
    def outcomes(self) -> Counter[str]:
        """Runs by their status."""
        return Counter(each.state.status for each in self.advanced)

    @property
    def mails(self) -> int:
        """How many were queued."""
        return sum(len(_of(LetterOut, each.effects)) for each in self.advanced)

    @property
    def webhooks(self) -> int:
        """How many wait to leave."""
        return sum(len(_of(WebhookOut, each.effects)) for each in self.advanced)


class StepRefused(RejectedInput):
    """A step of these runs cannot be carried out, as it turned out behind their decision."""

    def __init__(self, runs: Sequence[UUID], reason: str) -> None:
        super().__init__(reason)
        self.runs = tuple(runs)


def take_runs(tx: Transaction, context: RunContext, now: datetime, order: TakeOrder, taken: RunsTaken) -> None:
    """A constant number of statements, whatever the number of runs. `taken` is filled as it goes on."""
    found = store.claim_runs(tx, now, limit=order.limit, only=order.only, without=order.without)
    # What hangs on one of them may be what cannot be read.
    taken.claimed = tuple(row["id"] for row in found)
    batch = read_batch(tx, context.programs, context.letterhead, found, now)
    if not batch.claimed:
        return
    decided = DecidedRuns(batch, order, now)
    for each in batch.claimed:
        decided.one(each)
    if decided.notices:
        # What somebody's own triggers do about them has their cause too.
        tx.send_all([decided.naming_causes()])
    decided.reached_nobody(_notify(tx, context, decided, now))
    _close_recovered(tx, decided, now)
    tx.finish(decided.statements())
    taken.advanced = tuple(decided.advanced)
    taken.postponed = len(decided.postponed)
    taken.over_budget = tuple(sorted(decided.over_budget))


def _notify(tx: Transaction, context: RunContext, decided: "DecidedRuns", now: datetime) -> frozenset[str]:
    """The keys of requests that reached nobody. StepRefused for those that cannot be carried out."""
    notices = decided.notices
    requests = [notice.request for _, notice in notices] + notices_to_owners(decided.advanced)
    if not requests:
        return frozenset()
    report = notify(tx, requests, now, links=context.links, wake=context.wake)
    of_run = {notice.request.event_key: run_id for run_id, notice in notices}
    nobody = frozenset(each.event_key for each in report.refused if each.reason == "no_recipient")
    refused = [each for each in report.refused if each.event_key in of_run.keys() - nobody]
    if refused:
        first = refused[0]
        why = "; ".join((f"the notification is refused: {first.reason}", *first.details))
        raise StepRefused(sorted({of_run[each.event_key] for each in refused}), why)
    return nobody


def _close_recovered(tx: Transaction, decided: "DecidedRuns", now: datetime) -> None:
    if recovered := decided.recovered:
        close_free_incidents(tx, FAILING, sorted(str(each) for each in recovered), now)
    if again := decidable_again(decided.effects_of_runs):
        close_free_incidents(tx, UNDECIDABLE, again, now)


@dataclass
class DecidedRuns:
    """Decides one by one; nothing here asks anybody."""

    batch: ClaimedBatch
    order: TakeOrder
    now: datetime
    advanced: list[Advanced] = field(default_factory=list)
    postponed: list[UUID] = field(default_factory=list)
    spent: Counter[tuple[UUID, str]] = field(default_factory=Counter)
    over_budget: dict[UUID, Advanced] = field(default_factory=dict)
    recovered: set[UUID] = field(default_factory=set)
    written: set[tuple[str, UUID]] = field(default_factory=set)

    def one(self, each: ClaimedRun) -> None:
        """A record that another run of the batch writes is read again first: such a run stays due."""
        if each.is_busy:
            self.postponed.append(each.run.id)
            return
        decided = self._decide(each)
        targets = {(effect.entity_type, effect.entity_id) for effect in _of(FieldWrite, decided.effects)}
        if targets & self.written:
            return
        self.written |= targets
        self.advanced.append(decided)
        for kind, number in decided.counted.items():
            self.spent[each.run.workflow_id, kind] += number
        for turn in _of(Rotated, decided.effects):
            self.batch.turns.setdefault(each.run.workflow_id, {})[turn.pool] = turn.user_id
        if decided.over_budget is not None:
            self.over_budget.setdefault(each.run.workflow_id, decided)
        if each.has_incident and decided.state.status == "completed":
            self.recovered.add(each.run.workflow_id)

    def _decide(self, each: ClaimedRun) -> Advanced:
        if each.is_gone:
            return cancelled(each.run, "record_gone", each.facts)
        if each.program is None:
            return broken(each.run, "the version of the workflow is missing or cannot be read")
        budget = each.program.program.settings.budget
        limits = StepLimits(
            self.order.steps,
            self._left(each, "emails", budget.emails),
            self._left(each, "records", budget.records),
            self.order.faults.get(each.run.id),
        )
        return advance(each.run, each.program, each.facts, self.now, limits)

    def _left(self, each: ClaimedRun, kind: str, most: int | None) -> int | None:
        key = (each.run.workflow_id, kind)
        return None if most is None else most - self.batch.spent.get(key, 0) - self.spent[key]

    @property
    def notices(self) -> list[tuple[UUID, NoticeOut]]:
        """Those of steps, each with its run."""
        return [(each.run.id, notice) for each in self.advanced for notice in _of(NoticeOut, each.effects)]

    @property
    def effects_of_runs(self) -> list[tuple[UUID, tuple[Effect, ...]]]:
        """In the order in which they were decided."""
        return [(each.run.id, each.effects) for each in self.advanced]

    def reached_nobody(self, keys: frozenset[str]) -> None:
        """Steps whose notification has no recipient are skipped, and say so."""
        if keys:
            self.advanced = [_without_recipients(each, keys) for each in self.advanced]

    def statements(self) -> list[Statement]:
        """Everything that the batch writes, in the order of locks."""
        return [*self._effects(), *self._counters(), *self._records()]

    def _effects(self) -> list[Statement]:
        effects = [effect for each in self.advanced for effect in each.effects]
        activities, fields = list(_of(NewActivity, effects)), fields_of(self.advanced)
        statements = [self.naming_causes()] if effects and not self.notices else []
        if mails := [each.mail for each in _of(LetterOut, effects)]:
            statements.append(queueing(mails, self.now, purpose=WORKFLOW))
        statements += [store.writing_fields(table, changes, self.now) for table, changes in sorted(fields.items())]
        if activities:
            statements.append(store.adding_activities([each.row for each in activities], self.now))
        if states := [(each.instance_id, each.state_id) for each in _of(StateEntered, effects)]:
            statements.append(store.entering(list(dict(states).items()), self.now))
        return statements

    def naming_causes(self) -> Statement:
        """Before anything that a trigger may see."""
        return store.naming_causes(causes_of(self.advanced))

    def _counters(self) -> list[Statement]:
        turns = {
            (each.run.workflow_id, turn.pool): turn.user_id
            for each in self.advanced
            for turn in _of(Rotated, each.effects)
        }
        counted = [(*key, number) for key, number in sorted(self.spent.items()) if key in self.batch.spent]
        statements = []
        if turns:
            statements.append(store.recording_turns([(*key, user) for key, user in sorted(turns.items())]))
        if counted:
            statements.append(store.counting(counted, self.now))
        return statements

    def _records(self) -> list[Statement]:
        statements = []
        if self.postponed:
            statements.append(store.postponing(self.postponed, self.now + _BUSY_IS_TRIED_AGAIN))
        if self.advanced:
            statements.append(store.recording(rows_of(self.advanced, self.now), self.now))
        if hooks := [each.row for run in self.advanced for each in _of(WebhookOut, run.effects)]:
            statements.append(store.adding_webhooks(hooks, self.now))
        statements += recording_approvals(self.effects_of_runs, self.now)
        if incidents := [*failures(self.advanced), *undecidable(self.effects_of_runs)]:
            statements.append(opening(incidents, self.now))
        return statements


def _of(kind: type[E], effects: Sequence[Effect]) -> list[E]:
    return [effect for effect in effects if isinstance(effect, kind)]


def _without_recipients(advanced: Advanced, keys: frozenset[str]) -> Advanced:
    steps = tuple(
        replace(step, status="skipped", result={**step.result, "reason": "no_recipient"})
        if step.status == "completed" and f"workflow:{step.action_id}" in keys
        else step
        for step in advanced.steps
    )
    return replace(advanced, steps=steps)
