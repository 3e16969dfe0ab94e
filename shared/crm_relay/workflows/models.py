"""A workflow as the engine runs it: its triggers, conditions and steps, and one run of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from crm_relay.rules.record_conditions import ConditionGroup as ConditionGroup
from crm_relay.rules.record_conditions import RecordCondition as RecordCondition
from crm_relay.rules.record_conditions import RecordFacts as RecordFacts


class EntityType(Enum):
    """What a workflow may be about. The value is the word of `entity_type`; `TABLES` says where its rows are."""

    ACCOUNT = "account"
    CONTACT = "contact"
    DEAL = "deal"
    JOB = "job"
    SUBMISSION = "submission"
    PLACEMENT = "placement"
    ACTIVITY = "activity"
    ENROLLMENT = "campaign_enrollment"


class TriggerKind(Enum):
    """What starts a workflow. CREATED and the two changes are `trigger_type` automatic of `workflow_executions`."""

    CREATED = "created"
    STATUS_CHANGE = "status_change"
    FIELD_CHANGE = "field_change"
    MANUAL = "manual"
    SCHEDULED = "scheduled"
    EVENT = "event"
    API = "api"


class ReEntry(Enum):
    """What a second start of a workflow for the same record does while a run of it is not over."""

    SKIP = "skip"
    QUEUE = "queue"
    RESTART = "restart"
    PARALLEL = "parallel"


class StepKind(Enum):
    """What a step does. TRANSITION enters a state; CONDITION goes on at `next` where it holds, else at `otherwise`."""

    SEND_EMAIL = "send_email"
    SEND_NOTIFICATION = "send_notification"
    CREATE_TASK = "create_task"
    CREATE_ACTIVITY = "create_activity"
    UPDATE_FIELD = "update_field"
    WEBHOOK = "webhook"
    WAIT = "wait"
    CONDITION = "condition"
    ASSIGN = "assign"
    ESCALATE = "escalate"
    TRANSITION = "transition"
    APPROVAL = "approval"


@dataclass(frozen=True)
class Trigger:
    """What starts a workflow. `column` is the one that a change is about; None: any that the table allows.

    `was` and `becomes` narrow a change; None: any value, "": null. `cron` and `zone` are a schedule's, and `records`
    filters the records that it starts for. `event` is the name of an event.
    """

    kind: TriggerKind
    column: str | None = None
    was: str | None = None
    becomes: str | None = None
    cron: str | None = None
    zone: str = "UTC"
    records: ConditionGroup | None = None
    event: str | None = None


@dataclass(frozen=True)
class WorkflowStep:
    """One step of a program. `key` is its place in the definition, such as `2.then.0`, and stays in logs.

    `config` is the action's own, with the names of `actions/configs.py`. `next` and `otherwise` are places in
    `Program.steps`; None: the run is completed. `ask_again` has to hold when the step is due, else it is skipped.
    `conditions` are a CONDITION's: `next` where they hold, else `otherwise`. `branches` of a WAIT: `next` where the
    event happened, `otherwise` where the time was up; without it a run goes on at `next` in both cases. `branches` of
    an APPROVAL: `next` where it was given, else `otherwise`; without it a run ends where it was not.
    """

    key: str
    kind: StepKind
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    name: str | None = None
    next: int | None = None
    otherwise: int | None = None
    ask_again: ConditionGroup | None = None
    goes_on_after_failure: bool = False
    conditions: ConditionGroup | None = None
    branches: bool = False


@dataclass(frozen=True)
class EffectBudget:
    """What a workflow may do in a day, by the clock of UTC; over it the workflow pauses and asks. None: no bound."""

    emails: int | None = None
    records: int | None = None


@dataclass(frozen=True)
class WorkflowSettings:
    """How a workflow behaves beside its steps. `origins`: those of events, beside the usual ones, that start it too.

    `guard`: why a cycle that the proof finds is intended; None refuses it. `max_steps` bounds one run.
    """

    re_entry: ReEntry = ReEntry.SKIP
    cool_down: timedelta | None = None
    starts_per_minute: int = 500
    budget: EffectBudget = EffectBudget()
    origins: frozenset[str] = frozenset()
    max_depth: int = 5
    max_steps: int = 1000
    max_retries: int = 3
    guard: str | None = None


@dataclass(frozen=True)
class Program:
    """A definition, validated and flat: the first step is the first of `steps`."""

    entity_type: EntityType
    triggers: tuple[Trigger, ...]
    steps: tuple[WorkflowStep, ...]
    conditions: ConditionGroup | None = None
    settings: WorkflowSettings = WorkflowSettings()
    initial_state: UUID | None = None


@dataclass(frozen=True)
class EntityEvent:
    """A row of `entity_events`. `changed` maps a column to its old and new value; `payload` is a named event's."""

    id: int
    org_id: UUID
    entity_type: str
    entity_id: UUID
    kind: str
    topic: str
    changed: Mapping[str, tuple[object, object]] = field(default_factory=dict, hash=False)
    payload: Mapping[str, object] = field(default_factory=dict, hash=False)
    actor: UUID | None = None
    origin: str | None = None
    depth: int = 0
    cause: UUID | None = None
    occurred_at: datetime | None = None
