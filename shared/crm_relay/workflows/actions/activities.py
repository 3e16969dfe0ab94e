"""create_task and create_activity: rows of `activities` about the record."""

from typing import Any
from uuid import UUID

from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.actions.configs import CreateActivityConfig, CreateTaskConfig
from crm_relay.workflows.actions.effects import NewActivity, StepMade, StepMoment, id_of
from crm_relay.workflows.actions.people import known_colleague
from crm_relay.workflows.moments import moment_of


def create_task(config: CreateTaskConfig, at: StepMoment) -> StepMade:
    """An open task. Where its assignee is blank, such as the owner of a record without one, it is nobody's yet."""
    assignee = at.user(config.assignee_id, "assignee_id")
    if assignee is not None and assignee != at.owner_id:
        known_colleague(at, assignee)
    due = at.optional(config.due_date)
    return _made(
        at,
        type="task",
        subject=_title(at, config.title),
        description=at.optional(config.description),
        status="open",
        priority=config.priority,
        assignee_id=assignee,
        due_date=None if due is None else moment_of(due, at.now),
        completed_at=None,
    )


def create_activity(config: CreateActivityConfig, at: StepMoment) -> StepMade:
    """What was done: it is completed already."""
    return _made(
        at,
        type=config.type,
        subject=_title(at, config.subject),
        description=at.optional(config.description),
        status="completed",
        priority="normal",
        assignee_id=at.owner_id,
        due_date=None,
        completed_at=at.now,
    )


def _made(at: StepMoment, **columns: Any) -> StepMade:
    activity_id: UUID = id_of(at.run.id, "activity", at.position)
    metadata = {"workflow_id": str(at.run.workflow_id), "execution_id": str(at.run.id), "step": at.step.key}
    row = {
        "id": activity_id,
        "org_id": at.run.org_id,
        "entity_type": at.run.entity_type,
        "entity_id": at.run.entity_id,
        "metadata": metadata,
        "created_by": at.run.triggered_by,
        **columns,
    }
    return StepMade((NewActivity(row),), {"activity_id": str(activity_id)})


def _title(at: StepMoment, template: str) -> str:
    title = at.optional(template, is_line=True)
    if title is None:
        raise RejectedInput("title: is empty once its variables are filled")
    return title
