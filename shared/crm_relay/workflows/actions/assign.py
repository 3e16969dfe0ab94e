"""assign: puts a colleague into the record's column for its owner."""

from uuid import UUID

from crm_relay.platform.errors import IgnoredInput, RejectedInput
from crm_relay.workflows.actions.configs import AssignConfig
from crm_relay.workflows.actions.effects import Effect, FieldWrite, Rotated, StepMade, StepMoment
from crm_relay.workflows.actions.people import known_colleague, manager_of, next_in_pool
from crm_relay.workflows.writable_fields import check_column


def assign(config: AssignConfig, at: StepMoment) -> StepMade:
    """Errors as in `people`; IgnoredInput where the owner has no manager."""
    check_column(at.run.entity_type, config.field, assigns=True)
    effects: list[Effect] = []
    if config.assignee_type == "round_robin":
        last = at.facts.rotations.get(at.step.key)
        assignee = next_in_pool(at, config.pool, config.pool_role, last)
        effects.append(Rotated(at.step.key, assignee))
    elif config.assignee_type == "manager":
        assignee = _manager(at)
    else:
        assignee = _user(config, at)
    effects.append(handed_over(at, config.field, assignee))
    return StepMade(tuple(effects), {"assignee_id": str(assignee), "field": config.field})


def handed_over(at: StepMoment, column: str, assignee: UUID) -> FieldWrite:
    """The write that makes them the owner."""
    return FieldWrite(at.run.entity_type, at.run.entity_id, {column: str(assignee)}, at.run.triggered_by)


def _manager(at: StepMoment) -> UUID:
    manager = manager_of(at, at.owner_id)
    if manager is None:
        raise IgnoredInput("no_manager")
    return manager


def _user(config: AssignConfig, at: StepMoment) -> UUID:
    user_id = at.user(config.assignee_id, "assignee_id")
    if user_id is None:
        raise RejectedInput("assignee_id: is empty once its variables are filled")
    return known_colleague(at, user_id).id
