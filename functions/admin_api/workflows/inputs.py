"""What the routes under /api/workflows take."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from crm_relay.platform.http.http_routes import Given

EntityWord = Literal["account", "contact", "deal", "job", "submission", "placement", "activity", "campaign_enrollment"]
StatusWord = Literal["pending", "running", "paused", "failed", "completed", "cancelled"]
Limit = Annotated[int, Field(ge=1, le=500, description="So many at most.")]
Key = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$", description="Makes the request safe to repeat."),
]


class OfWorkflow(Given):
    """One workflow, by its id."""

    id: UUID


class OfRun(Given):
    """One run, by its id."""

    id: UUID


class WorkflowsAsked(Given):
    """Whose; none named: those of all organizations. The next page begins behind the name and id of the last one."""

    organization: UUID | None = None
    after_name: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] | None = None
    after_id: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=200, description="So many at most.")] = 200


class WorkflowGiven(Given):
    """A workflow's file as JSON, which is checked as a whole; everything wrong is listed at once."""

    organization: UUID | None = None
    workflow: Annotated[dict[str, Any], Field(max_length=40)]


class DraftGiven(OfWorkflow):
    """The file that takes the place of the draft."""

    workflow: Annotated[dict[str, Any], Field(max_length=40)]


class PauseWanted(OfWorkflow):
    """`reason` is kept with the workflow."""

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]+$")] | None = None


class StartWanted(OfWorkflow):
    """The record for which the workflow is started. Without a `key` every request is a new start."""

    record: UUID
    key: Key | None = None


class RunsAsked(Given):
    """Which runs, the newest first. `entity` and `record` go together."""

    organization: UUID | None = None
    workflow: UUID | None = None
    status: StatusWord | None = None
    entity: EntityWord | None = None
    record: UUID | None = None
    limit: Limit = 50


class RunsWanted(Given):
    """Some runs by their ids, or all of a workflow; at most 1,000 at once: `has_more` says to repeat the request."""

    runs: Annotated[tuple[UUID, ...], Field(max_length=1_000)] = ()
    workflow: UUID | None = None


class RetryWanted(RunsWanted):
    """`error`: of a workflow only those that failed for this, as /api/workflows/failures has it."""

    error: Annotated[str, Field(min_length=1, max_length=5_000, pattern=r"^[^\x00]+$")] | None = None


class WhyAsked(Given):
    """One record; `workflow`: that one alone."""

    entity: EntityWord
    record: UUID
    workflow: UUID | None = None


class EventGiven(Given):
    """Something that happened to a record, such as a form that was filled."""

    entity: EntityWord
    record: UUID
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,49}$")]
    payload: Annotated[dict[str, Any], Field(max_length=200, description="At most 16 kB of JSON.")] = Field(
        default_factory=dict
    )
    key: Key | None = None
    cause: Annotated[
        UUID | None,
        Field(description="The run that it follows from, or the webhook-id of its request: loops are counted."),
    ] = None
