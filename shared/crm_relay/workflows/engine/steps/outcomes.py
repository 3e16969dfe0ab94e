"""What is recorded of a run that was due: its steps, their effects, and where it is now."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.workflows.actions.configs import TransitionConfig
from crm_relay.workflows.actions.effects import Effect, id_of
from crm_relay.workflows.models import StepKind, WorkflowStep
from crm_relay.workflows.run_models import WorkflowRun

OVER = frozenset({"completed", "cancelled"})

_STEP_TYPES = {
    StepKind.WAIT: "wait",
    StepKind.CONDITION: "condition",
    StepKind.TRANSITION: "transition",
    StepKind.APPROVAL: "approval",
}
_SENT_LATER = frozenset({StepKind.SEND_EMAIL, StepKind.WEBHOOK})


@dataclass(frozen=True)
class StepLimits:
    """How far a run may go at once. `fault`: what its first step failed with when it was taken before.

    `emails` and `records`: what is left of the budget of its workflow; None: no bound.
    """

    steps: int | None = None
    emails: int | None = None
    records: int | None = None
    fault: Exception | None = None

    def exceeded(self, counted: Counter[str], costs: Counter[str]) -> str | None:
        """The part of the budget that `costs` would exceed beside what was counted; None: it is enough."""
        for kind, most in (("emails", self.emails), ("records", self.records)):
            if most is not None and counted[kind] + costs[kind] > most:
                return kind
        return None


UNLIMITED = StepLimits()


@dataclass(frozen=True)
class TakenStep:
    """A step as its row has it. `is_open_wait`: the row is there already, and waits."""

    run_id: UUID
    position: int
    status: str
    step: WorkflowStep | None = None
    result: Mapping[str, Any] = field(default_factory=dict, hash=False)
    error: str | None = None
    until: datetime | None = None
    waits_for: str | None = None
    entered: TransitionConfig | None = None
    is_open_wait: bool = False
    effects: tuple[Effect, ...] = ()

    @property
    def id(self) -> UUID:
        """Of its row."""
        return id_of(self.run_id, "step", self.position)

    @property
    def action_id(self) -> UUID | None:
        """Of the row of its action; None: it is none."""
        if self.step is None or self.step.kind in _STEP_TYPES:
            return None
        return id_of(self.run_id, "action", self.position)

    @property
    def type(self) -> str:
        """The word of `workflow_steps.step_type`."""
        return "action" if self.step is None else _STEP_TYPES.get(self.step.kind, "action")

    @property
    def action_status(self) -> str:
        """What is sent behind the commit is pending until it was."""
        if self.status == "waiting":
            return "pending"
        is_sent_later = self.step is not None and self.step.kind in _SENT_LATER and not self.is_open_wait
        return "pending" if self.status == "completed" and is_sent_later else self.status

    @property
    def is_done(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.status != "waiting"


@dataclass(frozen=True)
class RunState:
    """Where a run is now. `next_run_at` None: it is over, or waits for what `waits_for` names."""

    status: str
    place: int
    position: int
    next_run_at: datetime | None = None
    waits_for: str | None = None
    waits_for_id: UUID | None = None
    error: str | None = None
    retry_count: int = 0
    retry_of: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether another run of its record may begin."""
        return self.status in OVER or (self.status == "failed" and self.next_run_at is None)


@dataclass(frozen=True)
class Advanced:
    """What one run does in one transaction.

    `counted` is held against the budget; `over_budget` names the part of it that is used up, before the next step.
    `failure`: why it ended, where nothing will be tried again.
    """

    run: WorkflowRun
    steps: tuple[TakenStep, ...]
    effects: tuple[Effect, ...]
    state: RunState
    counted: Counter[str] = field(default_factory=Counter, hash=False)
    over_budget: str | None = None
    failure: str | None = None
    total_steps: int = 0
