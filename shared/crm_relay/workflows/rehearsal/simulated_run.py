"""What a simulation keeps of a run, and the people it would ask and notify."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from crm_relay.rules.record_conditions import RecordFacts
from crm_relay.workflows.engine.steps.outcomes import Advanced, TakenStep
from crm_relay.workflows.run_models import OpenWait, TriggerEvent, WorkflowRun
from crm_relay.workflows.starting.models import NotStarted, Start, StartRequest
from crm_relay.workflows.starting.records import RecordKey

_AHEAD: Final = timedelta(seconds=5)
"""As `read_runs` has it: a start is dated by its worker, whose clock may be a little ahead."""


class Records(Protocol):
    """Records by their key, as they are now; an error where one of them cannot be read."""

    def of(self, key: RecordKey, ahead: Callable[[], Iterable[RecordKey]] = tuple) -> RecordFacts | Exception:
        """`ahead`: those that are asked for next, read in the same statement."""

    def colleague(self, user_id: UUID) -> Mapping[str, Any] | None:
        """A row of `user_profiles` of the organization; None: there is none."""


class Observer(Protocol):
    """Records who would have been notified."""

    def refused(self, refused: NotStarted, at: datetime) -> None:
        """A gate refused a start."""

    def started(self, start: Start, at: datetime) -> None:
        """A run begins, or takes its place behind another one."""

    def advanced(self, advanced: Advanced, at: datetime) -> None:
        """A run has come further."""

    def replaced(self, runs: int, at: datetime) -> None:
        """A later start of their record ended so many runs."""

    def paused(self, budget: str, at: datetime) -> None:
        """This part of the budget is used up."""


@dataclass(slots=True)
class SimulatedRun:
    """What `workflow_executions` and the open row of `workflow_steps` keep of a run."""

    id: UUID
    request: StartRequest
    created_at: datetime
    started_at: datetime | None = None
    key: RecordKey = field(init=False)
    """Of its record."""
    next_run_at: datetime | None = None
    place: int = 0
    position: int = 0
    waits_for: str | None = None
    waits_for_id: UUID | None = None
    wait: OpenWait | None = None
    retry_count: int = 0
    retry_of: int | None = None

    def __post_init__(self) -> None:
        self.key = (self.request.version.entity_type, self.request.entity_id)

    @property
    def began_at(self) -> datetime:
        """From then on what happens counts."""
        return self.created_at if self.started_at is None else max(self.created_at, self.started_at - _AHEAD)

    @property
    def trigger(self) -> TriggerEvent:
        """As `trigger_event` keeps it."""
        event = self.request.event
        return TriggerEvent() if event is None else TriggerEvent(event.changed, event.payload)

    def as_run(self, instance_id: UUID, name: str, owner: UUID | None) -> WorkflowRun:
        """As the engine reads it; `name` and `owner` are the workflow's."""
        request = self.request
        return WorkflowRun(
            id=self.id,
            org_id=request.version.org_id,
            instance_id=instance_id,
            workflow_id=request.version.workflow_id,
            workflow_name=name,
            version=request.version.version,
            entity_type=request.version.entity_type,
            entity_id=request.entity_id,
            place=self.place,
            position=self.position,
            began_at=self.began_at,
            depth=0 if request.event is None else request.event.depth,
            retry_count=self.retry_count,
            max_retries=request.program.settings.max_retries,
            triggered_by=request.triggered_by,
            workflow_owner=owner,
            event=self.trigger,
            wait=self.wait,
            waits_for_id=self.waits_for_id,
            retry_of=self.retry_of,
        )

    def came_to(self, advanced: Advanced, now: datetime) -> None:
        """Where it is now; `next_run_at` is its caller's."""
        state = advanced.state
        self.started_at = self.started_at or now
        self.place, self.position = state.place, state.position
        self.retry_count, self.retry_of = state.retry_count, state.retry_of
        self.waits_for, self.waits_for_id = state.waits_for, state.waits_for_id
        self.wait = _open_wait(self.wait, advanced.steps, now) if state.waits_for is not None else None


def _open_wait(before: OpenWait | None, steps: tuple[TakenStep, ...], now: datetime) -> OpenWait | None:
    """The row in which the run waits now."""
    last = next((step for step in reversed(steps) if step.status == "waiting"), None)
    if last is None:
        return before
    if last.is_open_wait and before is not None:
        return replace(before, until=last.until)
    return OpenWait(last.id, last.position, now, last.until)
