"""Colleagues that a step gives something to: within the organization, and who is there now."""

from collections.abc import Sequence
from uuid import UUID

from crm_relay.platform.errors import RejectedInput, TransientError
from crm_relay.workflows.actions.effects import StepMoment
from crm_relay.workflows.run_models import Assignee


def known_colleague(at: StepMoment, user_id: UUID) -> Assignee:
    """RejectedInput for somebody of another organization, unknown, or no longer active."""
    found = at.facts.people.get(user_id)
    if found is None or not found.is_active:
        raise RejectedInput("the colleague is unknown, no longer active, or of another organization")
    return found


def manager_of(at: StepMoment, user_id: UUID | None) -> UUID | None:
    """The manager of a colleague, where they have one who is active."""
    person = None if user_id is None else at.facts.people.get(user_id)
    manager = None if person is None or person.manager_id is None else at.facts.people.get(person.manager_id)
    return manager.id if manager is not None and manager.is_active else None


def next_in_pool(at: StepMoment, pool: Sequence[UUID], role: str | None, last: UUID | None) -> UUID:
    """Who comes behind `last` in the order of the pool, past who is inactive or away.

    TransientError where all of them are away: somebody will be back. RejectedInput where nobody is in it at all.
    """
    members = list(pool) or sorted(each.id for each in at.facts.people.values() if role and each.role == role)
    active = [each for each in members if (person := at.facts.people.get(each)) is not None and person.is_active]
    if not active:
        raise RejectedInput("pool: nobody in it is an active colleague of the organization")
    begin = members.index(last) + 1 if last in members else 0
    for candidate in [*members[begin:], *members[:begin]]:
        person = at.facts.people.get(candidate)
        if person is not None and person.is_there(at.now):
            return candidate
    raise TransientError("pool: everybody in it is away")
