"""Who is asked in whose place: the deputy of an absent approver, then the manager, then the record's owner; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from crm_relay.workflows.approvals.models import AskedApproval, CameBy
from crm_relay.workflows.run_models import Assignee

LONGEST_CHAIN: Final = 3
"""So many deputies are asked about, one after the other."""


@dataclass(frozen=True)
class Route:
    """Who is asked, and how they come to be. `is_there` False: they are away, and nobody is there in their place."""

    person: UUID
    came_by: CameBy
    is_there: bool = True


@dataclass(frozen=True)
class Colleagues:
    """Those of an organization by id; `owner_id` owns the record, `requester` asked for the approval."""

    people: Mapping[UUID, Assignee] = field(hash=False)
    owner_id: UUID | None
    requester: UUID | None
    now: datetime

    def active(self, person: UUID | None) -> Assignee | None:
        """Where they are a colleague who is active."""
        found = None if person is None else self.people.get(person)
        return found if found is not None and found.is_active else None

    def is_there(self, person: UUID | None) -> bool:
        """Whether they can take something up now."""
        found = self.active(person)
        return found is not None and found.is_there(self.now)

    @property
    def manager_of_owner(self) -> UUID | None:
        """Of the record's owner."""
        return self.manager_of(self.owner_id)

    def manager_of(self, person: UUID | None) -> UUID | None:
        """As their profile has it, also of somebody who is no longer active."""
        found = None if person is None else self.people.get(person)
        return None if found is None else found.manager_id

    def deputies_of(self, person: UUID | None) -> tuple[UUID, ...]:
        """One after the other, each the deputy of the one before; so few that a circle ends as well.

        Somebody who is no longer active is passed on to nobody: their profile is of another time.
        """
        chain: list[UUID] = []
        current = None if person is None else self.people.get(person)
        while current is not None and current.deputy_id is not None and len(chain) < LONGEST_CHAIN:
            chain.append(current.deputy_id)
            current = self.active(current.deputy_id)
            if current is not None and current.is_there(self.now):
                break
        return tuple(chain)


def route(principal: UUID | None, colleagues: Colleagues, taken: frozenset[UUID] = frozenset()) -> Route | None:
    """Who is asked where the list means `principal`; None: there is nobody.

    People in `taken` answer for themselves alone, so nobody decides in two people's place. The requester is asked in
    no case. Where the principal is away and nobody is there instead, they are asked themselves.
    """
    may_stand = _MayStand(colleagues, taken)
    if principal is not None and principal != colleagues.requester and colleagues.is_there(principal):
        return Route(principal, CameBy.SELF)
    is_away = colleagues.active(principal) is not None and principal != colleagues.requester
    if is_away and (deputy := may_stand.first(colleagues.deputies_of(principal))) is not None:
        return Route(deputy, CameBy.DEPUTY)
    known = principal is not None and principal in colleagues.people
    manager = colleagues.manager_of(principal) if known else colleagues.manager_of_owner
    for candidate, came_by in ((manager, CameBy.MANAGER), (colleagues.owner_id, CameBy.OWNER)):
        if candidate is None or candidate == principal:
            continue
        if (found := may_stand.first((candidate, *may_stand.deputies(candidate)))) is not None:
            return Route(found, came_by)
    return Route(principal, CameBy.SELF, is_there=False) if is_away and principal is not None else None


def still_stands(row: AskedApproval, colleagues: Colleagues) -> bool:
    """Whether its approver may still decide: they are active, and are what they were asked as.

    Somebody who is away may decide all the same.
    """
    approver = colleagues.active(row.approver_id)
    if approver is None or approver.id == colleagues.requester:
        return False
    principal = row.stands_for
    match row.came_by:
        case CameBy.DELEGATION | CameBy.ESCALATION:
            return True
        case CameBy.SELF:
            return _is_meant(row, approver, colleagues)
        case CameBy.DEPUTY:
            return _stands_in(row.approver_id, principal, colleagues)
        case CameBy.MANAGER:
            known = principal is not None and principal in colleagues.people
            manager = colleagues.manager_of(principal) if known else colleagues.manager_of_owner
            return approver.id == manager or _stands_in(approver.id, manager, colleagues)
        case CameBy.OWNER:
            return approver.id == colleagues.owner_id or _stands_in(approver.id, colleagues.owner_id, colleagues)


def _is_meant(row: AskedApproval, approver: Assignee, colleagues: Colleagues) -> bool:
    match row.approver_type:
        case "role":
            return approver.role == row.approver_role
        case "manager":
            return approver.id == colleagues.manager_of_owner
        case "owner":
            return approver.id == colleagues.owner_id
    return True


def _stands_in(deputy: UUID, principal: UUID | None, colleagues: Colleagues) -> bool:
    """Whether they are named as a deputy, even if the absent person is back by now."""
    current, seen = None if principal is None else colleagues.active(principal), 0
    while current is not None and current.deputy_id is not None and seen < LONGEST_CHAIN:
        if current.deputy_id == deputy:
            return True
        current, seen = colleagues.active(current.deputy_id), seen + 1
    return False


@dataclass(frozen=True)
class _MayStand:
    colleagues: Colleagues
    taken: frozenset[UUID]

    def first(self, candidates: tuple[UUID, ...]) -> UUID | None:
        """The first who is there, and is neither the requester nor asked already."""
        barred = self.taken | {self.colleagues.requester}
        return next((each for each in candidates if each not in barred and self.colleagues.is_there(each)), None)

    def deputies(self, person: UUID) -> tuple[UUID, ...]:
        """None of the requester's or of somebody who left: nobody chooses who approves their own request."""
        if person == self.colleagues.requester or self.colleagues.active(person) is None:
            return ()
        return self.colleagues.deputies_of(person)
