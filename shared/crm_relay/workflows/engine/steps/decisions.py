"""What a run does now: step after step until it ends, waits, or has to be read again; pure."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from crm_relay.platform.errors import OF_ONE_ROW, IgnoredInput, RejectedInput, TransientError, describe_error
from crm_relay.rules.record_conditions import ask
from crm_relay.workflows.actions.configs import ApprovalConfig, TransitionConfig, WaitConfig
from crm_relay.workflows.actions.effects import Effect, FieldWrite, StateEntered, StepMoment, WebhookOut
from crm_relay.workflows.approvals.models import APPROVED, FOR_APPROVAL
from crm_relay.workflows.approvals.steps.step import ended_approvals, look_at_approvals
from crm_relay.workflows.engine.steps.makers import MAKERS, costs_of
from crm_relay.workflows.engine.steps.outcomes import UNLIMITED, Advanced, RunState, StepLimits, TakenStep
from crm_relay.workflows.engine.steps.programs import RunnableProgram
from crm_relay.workflows.engine.steps.retries import retry_at
from crm_relay.workflows.engine.steps.waits import FOR_WEBHOOK, StillWaiting, WaitOver, look
from crm_relay.workflows.models import StepKind, WorkflowStep
from crm_relay.workflows.run_models import StepFacts, WorkflowRun

_DELIVERED = "delivered"
_UNDER_WAY = frozenset({"waiting", "sending"})


def advance(
    run: WorkflowRun, program: RunnableProgram, facts: StepFacts, now: datetime, limits: StepLimits = UNLIMITED
) -> Advanced:
    """As far as the run comes with what was read. It raises nothing: what a step raises is its failure."""
    return _Advance(run, program, facts, now, limits).go()


def cancelled(run: WorkflowRun, reason: str, facts: StepFacts | None = None) -> Advanced:
    """The run ends without its next step; nobody is asked about it any more."""
    state = RunState("cancelled", run.place, run.position, error=reason)
    if run.wait is None:
        return Advanced(run, (), (), state)
    ended = ended_approvals(None if facts is None else facts.approvals, run.wait.step_id, reason)
    return Advanced(run, (_closed(run, run.wait.position, "skipped", {"reason": reason}),), tuple(ended), state)


def broken(run: WorkflowRun, reason: str) -> Advanced:
    """The run fails without a step: what it is a run of cannot be read."""
    state = RunState("failed", run.place, run.position, error=reason)
    return Advanced(run, (), (), state, failure=reason)


def _closed(run: WorkflowRun, position: int, status: str, result: Mapping[str, Any]) -> TakenStep:
    return TakenStep(run.id, position, status, result=result, is_open_wait=True)


@dataclass
class _Advance:
    run: WorkflowRun
    program: RunnableProgram
    facts: StepFacts
    now: datetime
    limits: StepLimits
    place: int | None = field(init=False)
    position: int = field(init=False)
    steps: list[TakenStep] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    end: RunState | None = None
    over_budget: str | None = None
    failure: str | None = None

    def __post_init__(self) -> None:
        self.place, self.position = self.run.place, self.run.position

    def go(self) -> Advanced:
        if self.run.wait is not None:
            self._guarded(self._resolve, opened=True)
        while self.end is None:
            if self.place is None or self.place >= len(self.program.program.steps):
                self.end = self._state("completed", None)
            elif self._has_to_be_read_again():
                self.end = self._state("running", self.now)
            else:
                self._guarded(self._take, opened=False)
        return Advanced(
            self.run,
            tuple(self.steps),
            tuple(self.effects),
            self.end,
            self.counted,
            self.over_budget,
            self.failure,
            len(self.program.program.steps),
        )

    @property
    def _step(self) -> WorkflowStep:
        return self.program.program.steps[self.place or 0]

    @property
    def _moment(self) -> StepMoment:
        return StepMoment(self.run, self._step, self.facts, self.now, self.position)

    def _has_to_be_read_again(self) -> bool:
        """A step before it has written the record that it looks at, or this time has taken its share."""
        if self.limits.steps is not None and len(self.steps) >= self.limits.steps:
            return True
        if not self.effects or not self.program.reads_record[self.place or 0]:
            return False
        return any(isinstance(effect, FieldWrite) for effect in self.effects)

    def _guarded(self, work: Callable[[], None], *, opened: bool) -> None:
        try:
            if (fault := self.limits.fault) is not None:
                self.limits = replace(self.limits, fault=None)
                raise fault
            work()
        except IgnoredInput as skip:
            self._record("skipped", {"reason": str(skip)}, opened=opened)
            self._go_on(self._step.next)
        except (TransientError, *OF_ONE_ROW) as error:
            self._fail(error, opened=opened)

    def _take(self) -> None:
        step, settings = self._step, self.program.program.settings
        if self.position >= settings.max_steps:
            raise RejectedInput(f"the run has taken {settings.max_steps} steps, as many as it may")
        if step.ask_again is not None and not (answer := ask(step.ask_again, self.facts.subject)).holds:
            self._record("skipped", {"reason": "conditions", "explanation": answer.as_json()})
            self._go_on(step.next)
        elif step.kind is StepKind.CONDITION:
            self._branch()
        elif step.kind is StepKind.WAIT:
            self._wait(look(self._wait_config, self._moment))
        elif step.kind is StepKind.APPROVAL:
            self._ask_people(opened=False)
        elif step.kind is StepKind.TRANSITION:
            self._enter()
        else:
            self._make()

    def _branch(self) -> None:
        answer = ask(self._step.conditions, self.facts.subject)
        self._record("completed", {"holds": answer.holds, "explanation": answer.as_json()})
        self._go_on(self._step.next if answer.holds else self._step.otherwise)

    def _enter(self) -> None:
        config = self.program.config(self.place or 0)
        if not isinstance(config, TransitionConfig):
            raise RejectedInput("the step has no state")
        self.effects.append(StateEntered(self.run.instance_id, config.state_id))
        self._record("completed", {"state": config.state}, entered=config)
        self._go_on(self._step.next)

    def _make(self) -> None:
        maker = MAKERS.get(self._step.kind)
        if maker is None:
            raise RejectedInput(f"a step of the kind {self._step.kind.value} cannot be taken")
        made = maker(self.program.config(self.place or 0), self._moment)
        costs = costs_of(made.effects)
        if (over := self.limits.exceeded(self.counted, costs)) is not None:
            self.over_budget = over
            self.end = self._state("running", self.now)
            return
        for kind, number in costs.items():
            self.counted[kind] += number
        self.effects += made.effects
        awaited = next((each for each in made.effects if isinstance(each, WebhookOut) and each.is_awaited), None)
        if awaited is None:
            self._record("completed", made.result, effects=made.effects)
            self._go_on(self._step.next)
            return
        first = self._moment.first_position
        self._record("waiting", made.result, effects=made.effects)
        waiting = self._state("running", None, FOR_WEBHOOK, cast("UUID", awaited.row["id"]))
        # Where it has to be repeated, it is the same request for its receiver.
        self.end = replace(waiting, retry_of=first)

    @property
    def _wait_config(self) -> WaitConfig:
        config = self.program.config(self.place or 0)
        if not isinstance(config, WaitConfig):
            raise RejectedInput("the step has no wait")
        return config

    def _wait(self, verdict: StillWaiting | WaitOver) -> None:
        if isinstance(verdict, WaitOver):
            self._waited(verdict, opened=False)
        else:
            self._go_on_waiting(verdict, opened=False)

    def _resolve(self) -> None:
        """Whether what the run waits for is there."""
        if self._step.kind is StepKind.WEBHOOK:
            self._answered()
            return
        if self._step.kind is StepKind.APPROVAL:
            self._ask_people(opened=True)
            return
        verdict = look(self._wait_config, self._moment, self.run.wait)
        if isinstance(verdict, WaitOver):
            self._waited(verdict, opened=True)
        else:
            self._go_on_waiting(verdict, opened=True)

    def _go_on_waiting(self, verdict: StillWaiting, *, opened: bool) -> None:
        self._record("waiting", {}, waiting=verdict, opened=opened)
        self.end = self._state("running", verdict.look_at, verdict.waits_for, verdict.waits_for_id)

    def _waited(self, over: WaitOver, *, opened: bool) -> None:
        self._record("completed", over.result, opened=opened)
        step = self._step
        self._go_on(step.otherwise if over.timed_out and step.branches else step.next)

    def _ask_people(self, *, opened: bool) -> None:
        config = self.program.config(self.place or 0)
        if not isinstance(config, ApprovalConfig):
            raise RejectedInput("the step has no approval")
        looked = look_at_approvals(config, self._moment, self.run.wait if opened else None)
        self.effects += looked.effects
        if looked.outcome is None:
            waiting = StillWaiting(looked.until, looked.look_at, FOR_APPROVAL)
            self._record("waiting", looked.result, waiting=waiting, opened=opened)
            self.end = self._state("running", looked.look_at, FOR_APPROVAL)
            return
        self._record("completed", looked.result, opened=opened)
        step = self._step
        if looked.outcome == APPROVED or step.branches:
            self._go_on(step.next if looked.outcome == APPROVED else step.otherwise)
        else:
            self.end = replace(self._state("cancelled", None), error=looked.outcome)

    def _answered(self) -> None:
        answer = self.facts.webhook
        if answer is not None and answer.state in _UNDER_WAY and self.run.wait is not None:
            waiting = self._state("running", None, FOR_WEBHOOK, self.run.waits_for_id)
            self.end = replace(waiting, retry_of=self.run.retry_of)
        elif answer is not None and answer.state == _DELIVERED:
            self._record("completed", {"status_code": answer.status_code}, opened=True)
            self._go_on(self._step.next)
        else:
            state = "gone" if answer is None else answer.reason or answer.state
            raise RejectedInput(f"the webhook was not delivered: {state}")

    def _fail(self, error: Exception, *, opened: bool) -> None:
        reason = describe_error(error)
        first = self.run.retry_of if self.place == self.run.place and self.run.retry_of is not None else self.position
        retries = self.run.retry_count if self.place == self.run.place else 0
        again = retry_at(error, retries, self.run.max_retries, self.now)
        self._record("failed", {}, error=reason, opened=opened)
        if opened and self.run.wait is not None:
            self.effects += ended_approvals(self.facts.approvals, self.run.wait.step_id, "failed")
        if again is None and self._step.goes_on_after_failure:
            self._go_on(self._step.next)
            return
        state = self._state("failed", again)
        self.end = replace(
            state,
            error=reason,
            retry_count=retries + 1 if again is not None else retries,
            retry_of=first,
        )
        self.failure = None if again is not None else f"{self._step.key}: {reason}"

    def _go_on(self, place: int | None) -> None:
        self.place = place

    def _record(
        self,
        status: str,
        result: Mapping[str, Any],
        *,
        opened: bool = False,
        error: str | None = None,
        waiting: StillWaiting | None = None,
        entered: TransitionConfig | None = None,
        effects: tuple[Effect, ...] = (),
    ) -> None:
        position = self.position if self.run.wait is None or not opened else self.run.wait.position
        self.steps.append(
            TakenStep(
                self.run.id,
                position,
                status,
                step=self._step,
                result=result,
                error=error,
                until=None if waiting is None else waiting.until,
                waits_for=None if waiting is None else waiting.waits_for,
                entered=entered,
                is_open_wait=opened,
                effects=effects,
            )
        )
        self.position += not opened

    def _state(
        self, status: str, next_run_at: datetime | None, waits_for: str | None = None, waits_for_id: UUID | None = None
    ) -> RunState:
        place = len(self.program.program.steps) if self.place is None else self.place
        return RunState(status, place, self.position, next_run_at, waits_for, waits_for_id)
