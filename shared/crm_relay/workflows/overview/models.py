"""Workflows and runs as an operator sees them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.workflows.approvals.overview import ApprovalShown

STATUSES = ("pending", "running", "paused", "failed", "completed", "cancelled")
"""Of runs, as `workflow_executions.status` has them; a run that waits is running."""


@dataclass(frozen=True)
class WorkflowListed:
    """A workflow in a list. `has_changes`: the draft differs from the active version. `runs`: how many, by status.

    `problems`: why a row that was set active by SQL is not the active version; None: not shown to this role.
    """

    id: UUID
    org_id: UUID
    name: str
    entity_type: str
    is_active: bool
    active_version: int | None
    published_at: datetime | None
    has_changes: bool
    paused_at: datetime | None
    paused_reason: str | None
    problems: tuple[str, ...] | None
    runs: dict[str, int]


@dataclass(frozen=True)
class RunLine:
    """A run in a list. `next_run_at` None: it is over, paused, queued, or waits for what `waits_for` names."""

    id: UUID
    workflow_id: UUID
    workflow_name: str
    version: int | None
    entity_type: str | None
    entity_id: UUID | None
    status: str
    trigger_type: str | None
    steps_done: int
    total_steps: int | None
    waits_for: str | None
    next_run_at: datetime | None
    retry_count: int | None
    max_retries: int | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    paused_at: datetime | None


@dataclass(frozen=True)
class LogLine:
    """A line of `workflow_execution_logs`."""

    occurred_at: datetime
    level: str
    message: str
    data: Any


@dataclass(frozen=True)
class MailOfAction:
    """What the ledger of mail says of a letter, without address and words."""

    send_id: UUID
    status: str
    reason: str | None
    queued_at: datetime
    left_at: datetime | None


@dataclass(frozen=True)
class WebhookOfAction:
    """A request to another system. Its attempts are lines of the step's log."""

    id: UUID
    host: str
    state: str
    attempts: int
    status_code: int | None
    reason: str | None
    next_attempt_at: datetime | None


@dataclass(frozen=True)
class NotificationOfAction:
    """A colleague that an action notified. `channels`: what became of it on each; `id` None: it joined a group."""

    id: UUID | None
    user_id: UUID
    channels: dict[str, str]


@dataclass(frozen=True)
class ActionShown:
    """An effect of a step, and what became of it behind the commit."""

    id: UUID
    type: str
    status: str
    result: Any
    error: str | None
    error_code: str | None
    completed_at: datetime | None
    mail: MailOfAction | None = None
    webhook: WebhookOfAction | None = None
    notifications: tuple[NotificationOfAction, ...] = ()


@dataclass(frozen=True)
class StepShown:
    """A step that was taken. `key`: its place in the definition. `result`: what was decided, with the values."""

    position: int
    key: str | None
    type: str
    name: str | None
    status: str
    config: Any
    started_at: datetime | None
    completed_at: datetime | None
    wait_until: datetime | None
    waits_for: str | None
    result: Any
    error: str | None
    actions: tuple[ActionShown, ...]
    logs: tuple[LogLine, ...]
    approvals: tuple[ApprovalShown, ...] = ()


@dataclass(frozen=True)
class RunStart:
    """Why the run began. `explanation`: the comparisons that held; `event` as it was then."""

    verdict: str | None
    explanation: Any
    decided_at: datetime | None
    event: Any
    triggered_by: UUID | None
    depth: int


@dataclass(frozen=True)
class RunShown:
    """A run with its timeline. `logs`: lines about the run as a whole. `is_complete` False: the newest steps alone."""

    run: RunLine
    start: RunStart
    steps: tuple[StepShown, ...]
    logs: tuple[LogLine, ...]
    is_complete: bool


@dataclass(frozen=True)
class StartLine:
    """A decision that was made: `verdict` started, queued or not_started, and which gate refused with which values."""

    decided_at: datetime
    verdict: str
    reason: str | None
    explanation: Any
    version: int | None
    event_id: int | None
    topic: str | None
    occurred_at: datetime | None
    origin: str | None
    execution_id: UUID | None
    run_status: str | None


@dataclass(frozen=True)
class WouldStart:
    """What a start by hand would come to now, asked of the record as it is: it is no record of what happened.

    `verdict`: start, queue, wait (the workflow is paused) or refuse, then with the gate and its values.
    """

    verdict: str
    gate: str | None
    explanation: tuple[Any, ...]
    begins_at: datetime | None = None


@dataclass(frozen=True)
class WorkflowWhy:
    """One workflow and one record. `answer` is a word, `because` the same in a sentence.

    `decisions`: the newest first; `waiting_events`: what happened to the record that is not handled yet. `approvals`:
    those that runs for the record wait for.
    """

    workflow_id: UUID
    name: str
    entity_type: str
    version: int | None
    answer: str
    because: str
    triggers: tuple[str, ...]
    decisions: tuple[StartLine, ...]
    waiting_events: int
    now: WouldStart | None
    approvals: tuple[ApprovalShown, ...] = ()


@dataclass(frozen=True)
class DraftDecision:
    """What a recorded draft would have decided about an event. `reason`: the gate, or queued behind another run."""

    at: datetime
    event_id: int | None
    topic: str | None
    verdict: str
    reason: str | None
    explanation: tuple[Any, ...]


@dataclass(frozen=True)
class DraftWhy:
    """A draft that is recorded and one record; `decisions`: the newest first."""

    workflow_id: UUID
    name: str
    answer: str
    because: str
    decisions: tuple[DraftDecision, ...]


@dataclass(frozen=True)
class RecordWhy:
    """Why workflows did or did not start for a record. `exists` False: it is gone, or its organization's no more.

    `drafts`: what those that are recorded would have done.
    """

    entity_type: str
    entity_id: UUID
    exists: bool
    workflows: tuple[WorkflowWhy, ...]
    drafts: tuple[DraftWhy, ...] = ()
