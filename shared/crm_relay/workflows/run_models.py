"""A run of a workflow as the engine reads it, and everything that its steps may look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.mail.models import Identity
from crm_relay.rules.record_conditions import ConditionSubject, RecordFacts
from crm_relay.workflows.approvals.models import ApprovalFacts


@dataclass(frozen=True)
class TriggerEvent:
    """What started a run, as `workflow_executions.trigger_event` keeps it: old and new values, and a payload."""

    changed: Mapping[str, tuple[object, object]] = field(default_factory=dict, hash=False)
    payload: Mapping[str, object] = field(default_factory=dict, hash=False)

    @classmethod
    def from_json(cls, stored: object) -> "TriggerEvent":
        """Of a column that anybody may have written; what has another shape is left out."""
        event = stored if isinstance(stored, Mapping) else {}
        changed, payload = event.get("changed"), event.get("payload")
        pairs = changed.items() if isinstance(changed, Mapping) else ()
        return cls(
            {name: (pair[0], pair[1]) for name, pair in pairs if isinstance(pair, list) and len(pair) == 2},
            dict(payload) if isinstance(payload, Mapping) else {},
        )


@dataclass(frozen=True)
class OpenWait:
    """The row of `workflow_steps` in which a run waits. `until` None: until what it waits for comes."""

    step_id: UUID
    position: int
    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class WorkflowRun:
    """A row of `workflow_executions` that is due.

    `place` is that of the next step in the program, `position` how many rows of `workflow_steps` the run has.
    `retry_of`: the position at which the step at `place` was tried first; None: it was not tried before.
    """

    id: UUID
    org_id: UUID
    instance_id: UUID
    workflow_id: UUID
    workflow_name: str
    version: int
    entity_type: str
    entity_id: UUID
    place: int
    position: int
    began_at: datetime
    depth: int = 0
    retry_count: int = 0
    max_retries: int = 3
    triggered_by: UUID | None = None
    trigger_type: str | None = None
    workflow_owner: UUID | None = None
    event: TriggerEvent = field(default_factory=TriggerEvent, hash=False)
    wait: OpenWait | None = None
    waits_for_id: UUID | None = None
    retry_of: int | None = None
    waits_for: str | None = None


@dataclass(frozen=True)
class Assignee:
    """A row of `user_profiles`, as far as work is given to them."""

    id: UUID
    org_id: UUID | None
    role: str | None = None
    manager_id: UUID | None = None
    is_active: bool = True
    out_until: datetime | None = None
    deputy_id: UUID | None = None
    name: str | None = None

    def is_there(self, now: datetime) -> bool:
        """Whether they can take something up now."""
        return self.is_active and (self.out_until is None or self.out_until <= now)


@dataclass(frozen=True)
class LetterTemplate:
    """A row of `email_templates`."""

    subject: str
    html: str
    text: str
    variables: object = None


@dataclass(frozen=True)
class Letterhead:
    """The sender of an organization. `identity` None: it has no sender, and EMAIL_FROM names none.

    `public_url` is where the function `unsubscribe` answers; `link_keys` sign its links.
    """

    identity: Identity | None
    public_url: str
    link_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class WebhookAnswer:
    """What became of the request that a run waits for; `state` as in `workflow_webhooks`."""

    state: str
    status_code: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class StepFacts:
    """Everything that a step may look at, as it is now.

    `templates` by id and by slug; `people` are those of the organization, `rotations` who came last in a pool, by the
    key of its step; `happened` maps the name of an event to when it came, since the run began.
    """

    subject: ConditionSubject
    letterhead: Letterhead | None = None
    templates: Mapping[str, LetterTemplate] = field(default_factory=dict, hash=False)
    people: Mapping[UUID, Assignee] = field(default_factory=dict, hash=False)
    rotations: Mapping[str, UUID | None] = field(default_factory=dict, hash=False)
    happened: Mapping[str, datetime] = field(default_factory=dict, hash=False)
    webhook: WebhookAnswer | None = None
    approvals: ApprovalFacts | None = None

    @property
    def record(self) -> Mapping[str, Any]:
        """Its columns; empty where it is gone."""
        return self.subject.facts.record or {}

    @property
    def records(self) -> RecordFacts:
        """The record and what hangs on it."""
        return self.subject.facts
