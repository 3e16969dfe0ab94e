"""The configurations of steps, as the document writes them (camelCase too) and as the engine reads them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AliasGenerator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Text = Annotated[str, Field(min_length=1, max_length=20_000)]
"""A text that may name variables, such as `{{deal.name}}` or `{{contact.first_name|there}}`."""

Line = Annotated[str, Field(min_length=1, max_length=1_000)]


class StepConfig(BaseModel):
    """What a step is configured with; an unknown key is refused, so that a misspelt one is never ignored."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        alias_generator=AliasGenerator(validation_alias=to_camel),
    )


class SendEmailConfig(StepConfig):
    """An e-mail of `email_templates`, or one that is written out. `to`: an address, or a variable that holds one."""

    template_id: UUID | None = None
    template_slug: str | None = None
    subject: Line | None = None
    html: Text | None = None
    text: Text | None = None
    to: Line = "{{contact.email}}"
    topic: str | None = None


class SendNotificationConfig(StepConfig):
    """A notification to colleagues: a template, or title and message. Recipients are all that are given, together.

    `user_id` may be a variable such as `{{record.owner_id}}`.
    """

    user_id: Line | None = None
    to: Literal["owner", "manager", "everybody"] | None = None
    role: str | None = None
    template_slug: str | None = None
    title: Line | None = None
    message: Text | None = None
    category: str = "workflow"
    variables: dict[str, Any] = Field(default_factory=dict)
    channels: tuple[Literal["in_app", "email", "slack", "sms", "push"], ...] = ()
    priority: Literal["low", "normal", "high", "urgent"] | None = None
    group_key: Line | None = None
    action_url: Line | None = None
    action_label: str | None = None


class CreateTaskConfig(StepConfig):
    """A row of `activities` of type task. `due_date`: an instant, or `+3d`, `+4h`, `+2 business days` from now."""

    title: Line
    description: Text | None = None
    assignee_id: Line | None = "{{owner.id}}"
    due_date: Line | None = None
    priority: Literal["low", "normal", "high", "urgent"] = "normal"


class CreateActivityConfig(StepConfig):
    """A row of `activities` that is completed already: what was done, for the record's history."""

    type: Annotated[str, Field(min_length=1, max_length=100)] = "note"
    subject: Line
    description: Text | None = None


class UpdateFieldConfig(StepConfig):
    """One allow-listed column of the record; null clears it. A text may name variables."""

    field: str
    value: str | int | float | bool | None = None


class WebhookConfig(StepConfig):
    """A request to another system, signed where `secret` names one. Header values may be references `secret:name`."""

    url: Line
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] = Field(default_factory=dict)
    secret: str | None = None
    wait_for_answer: bool = True


class WaitConfig(StepConfig):
    """One of: a span (`days`, `hours`, `minutes`), `until` an instant or variable, `before_field` with `days_before`,
    `business_hours` (the next moment inside them), or `until_event` with a time-out in `days` or `hours`.
    """

    days: Annotated[int, Field(ge=0, le=3650)] = 0
    hours: Annotated[int, Field(ge=0, le=87600)] = 0
    minutes: Annotated[int, Field(ge=0, le=5_256_000)] = 0
    until: Line | None = None
    before_field: str | None = None
    days_before: Annotated[int, Field(ge=0, le=3650)] = 0
    at: str | None = None
    zone: str | None = None
    business_hours: bool = False
    business_days: tuple[str, ...] = ("mon", "tue", "wed", "thu", "fri")
    business_start: str = "09:00"
    business_end: str = "17:00"
    until_event: Literal["replied", "bounced", "unsubscribed"] | str | None = None


class AssignConfig(StepConfig):
    """Puts a colleague into an owner's column. round_robin goes through `pool` in its order, past who is away."""

    assignee_type: Literal["user", "round_robin", "manager"] = "user"
    assignee_id: Line | None = None
    pool: tuple[UUID, ...] = ()
    pool_role: str | None = None
    field: str = "owner_id"


class EscalateConfig(StepConfig):
    """Notifies the manager of the record's owner, or `to`, and can hand the record over."""

    to: Literal["manager", "owner"] | UUID = "manager"
    title: Line = "Escalated by {{workflow.name}}"
    message: Text = "{{workflow.name}} asks for your attention."
    reassign: bool = False


class ApproverConfig(StepConfig):
    """Who has to approve: a colleague (`user_id`, an id or a variable), anybody with a `role`, the manager of the
    record's owner, or that owner.
    """

    type: Literal["user", "role", "manager", "owner"]
    user_id: Line | None = None
    role: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class ApprovalConfig(StepConfig):
    """A wait for people: one after the other (sequence), or at once (parallel); `quorum` of them have to approve.

    `remind`, `due` and `expires`: a span from the request, such as `+2 business days`, an instant or a variable.
    `escalate_to` takes over what is overdue.
    """

    title: Line = "{{workflow.name}}"
    message: Text | None = None
    approvers: Annotated[tuple[ApproverConfig, ...], Field(min_length=1, max_length=20)]
    mode: Literal["sequence", "parallel"] = "sequence"
    quorum: Annotated[int, Field(ge=1, le=50)] | None = None
    remind: Line | None = None
    due: Line | None = None
    expires: Line | None = None
    escalate_to: Literal["manager", "owner"] | UUID | None = None
    zone: str | None = None


class TransitionConfig(StepConfig):
    """Enters a state: `state_id` becomes `current_state_id` of the instance. `transition_id`: the row it came by."""

    state_id: UUID
    state: Line
    transition_id: UUID | None = None
