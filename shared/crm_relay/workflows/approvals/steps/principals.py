"""The person behind an entry of a step's list of approvers; pure."""

from typing import Final
from uuid import UUID

from crm_relay.workflows.actions.configs import ApproverConfig
from crm_relay.workflows.actions.effects import StepMoment
from crm_relay.workflows.approvals.people import Colleagues

MOST_OF_ROLE: Final = 50
"""So many people of a role are asked at most."""


def principals_of(listed: ApproverConfig, at: StepMoment, colleagues: Colleagues) -> list[UUID | None]:
    """None: it means somebody, and nobody is found. RejectedInput for what is no id of a colleague."""
    match listed.type:
        case "user":
            return [at.user(listed.user_id, "user_id")]
        case "manager":
            return [colleagues.manager_of_owner]
        case "owner":
            return [colleagues.owner_id]
        case "role":
            return _of_role(listed.role, colleagues)


def _of_role(role: str | None, colleagues: Colleagues) -> list[UUID | None]:
    """Those who are there; where nobody is, all of them, so that somebody stands in."""
    active = sorted(
        each.id
        for each in colleagues.people.values()
        if each.is_active and each.role == role and each.id != colleagues.requester
    )
    there = [each for each in active if colleagues.is_there(each)]
    found: list[UUID | None] = [*(there or active)[:MOST_OF_ROLE]]
    return found or [None]
