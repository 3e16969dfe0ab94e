"""What steps leave behind: rows that are written with the step, and requests that leave behind the commit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID, uuid5

from crm_relay.mail.models import Mail
from crm_relay.notifications.models import NotificationRequest
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.approvals.models import ApprovalAsked, ApprovalChanged, ApprovalLink, NobodyToAsk
from crm_relay.workflows.models import WorkflowStep
from crm_relay.workflows.run_models import StepFacts, WorkflowRun
from crm_relay.workflows.variables import fill, fill_url

_IDS = UUID("3f8d0c56-0b0c-4a0e-9a3e-8d5a6f1c7e21")


@dataclass(frozen=True)
class NewActivity:
    """A row of `activities`."""

    row: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class FieldWrite:
    """Columns of one record, and who is named as the one who wrote them."""

    entity_type: str
    entity_id: UUID
    fields: Mapping[str, Any] = field(hash=False)
    written_by: UUID | None = None


@dataclass(frozen=True)
class NoticeOut:
    """A notification to colleagues. `may_reach_nobody`: it is left out where it has no recipient."""

    request: NotificationRequest
    may_reach_nobody: bool = False


@dataclass(frozen=True)
class LetterOut:
    """An e-mail for the ledger, from which it leaves behind the commit."""

    mail: Mail


@dataclass(frozen=True)
class WebhookOut:
    """A row of `workflow_webhooks`; `is_awaited`: the run goes on when it was answered."""

    row: Mapping[str, Any] = field(hash=False)
    is_awaited: bool = True


@dataclass(frozen=True)
class StateEntered:
    """The state that the instance is in from now on."""

    instance_id: UUID
    state_id: UUID


@dataclass(frozen=True)
class Rotated:
    """Who was taken from a pool."""

    pool: str
    user_id: UUID


ApprovalEffect = ApprovalAsked | ApprovalLink | ApprovalChanged | NobodyToAsk
Effect = NewActivity | FieldWrite | NoticeOut | LetterOut | WebhookOut | StateEntered | Rotated | ApprovalEffect


@dataclass(frozen=True)
class StepMade:
    """What a step did: its effects, and what its row says of them, by ids and never by what somebody wrote."""

    effects: tuple[Effect, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class StepMoment:
    """A step that is due, with all that it may look at. `position` is that of its row in `workflow_steps`."""

    run: WorkflowRun
    step: WorkflowStep
    facts: StepFacts
    now: datetime
    position: int

    @property
    def step_id(self) -> UUID:
        """Of its row: the same, however often it is computed."""
        return id_of(self.run.id, "step", self.position)

    @cached_property
    def action_id(self) -> UUID:
        """Of its row in `workflow_actions`, and the identity of what it sends."""
        return id_of(self.run.id, "action", self.position)

    @property
    def first_position(self) -> int:
        """Where it was tried first: a repeated request is the same request for its receiver."""
        is_repeated = self.run.retry_of is not None and self.position == self.run.position
        return self.run.retry_of if is_repeated and self.run.retry_of is not None else self.position

    def text(self, template: str | None, *, is_line: bool = False) -> str:
        """With its variables filled."""
        return fill(template or "", self.facts.subject, self.run.workflow_name, is_line=is_line)

    def url(self, template: str) -> str:
        """With its variables filled, each percent-encoded."""
        return fill_url(template, self.facts.subject, self.run.workflow_name)

    def optional(self, template: str | None, *, is_line: bool = False) -> str | None:
        """The same; None where nothing is left."""
        return self.text(template, is_line=is_line).strip() or None

    def user(self, template: str | None, name: str) -> UUID | None:
        """The colleague that a text names by id; None where it is blank. RejectedInput for what is no id."""
        written = self.optional(template)
        if written is None:
            return None
        try:
            return UUID(written)
        except ValueError:
            raise RejectedInput(f"{name}: is not the id of a colleague") from None

    @property
    def owner_id(self) -> UUID | None:
        """Who owns the record, within the organization."""
        owner = self.facts.records.owner
        return None if owner is None else UUID(str(owner["id"]))


def id_of(run_id: UUID, kind: str, position: int) -> UUID:
    """Of a row that belongs to one position of a run."""
    return uuid5(_IDS, f"{run_id}/{kind}/{position}")
