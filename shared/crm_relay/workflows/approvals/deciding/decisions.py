"""Whether somebody may decide an approval, and what their word comes to; the same for every way it comes. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.approvals.models import ApprovalAction, AskedApproval, Way
from crm_relay.workflows.approvals.people import Colleagues, still_stands

OPEN_RUNS: Final = frozenset({"running", "paused"})
LONGEST_NOTES: Final = 2_000
MOST_DELEGATIONS: Final = 3
"""Of one approval, one after the other."""


@dataclass(frozen=True)
class Decision:
    """What somebody says. `person` None: nobody knows who it is, but of a link, which is its approver's.

    `to` is the colleague that DELEGATE names; `using` the token or the operator that it came with.
    """

    action: ApprovalAction
    way: Way
    person: UUID | None = None
    notes: str | None = None
    to: UUID | None = None
    using: str | None = None


@dataclass(frozen=True)
class JudgedDecision:
    """`is_known`: it was decided, or is over, before: nothing changes. `refusal`: why it may not be decided so.

    `wakes_run`: who is asked has to be looked at again.
    """

    is_known: bool = False
    refusal: RejectedInput | None = None
    wakes_run: bool = False


@dataclass(frozen=True)
class DecisionFacts:
    """What is asked again behind the lock. `others` are the approvals of the same step."""

    approval: AskedApproval
    others: tuple[AskedApproval, ...]
    colleagues: Colleagues
    run_status: str
    now: datetime


def judge(decision: Decision, facts: DecisionFacts) -> JudgedDecision:
    """Never the requester, never a stranger, never twice; to a stranger not even what was decided is said."""
    if (stranger := _stranger(decision, facts.approval)) is not None:
        return stranger
    if not facts.approval.is_pending:
        return JudgedDecision(is_known=True)
    if (barred := _barred(facts)) is not None:
        return barred
    return _delegation(decision, facts) if decision.action is ApprovalAction.DELEGATE else JudgedDecision()


def _stranger(decision: Decision, row: AskedApproval) -> JudgedDecision | None:
    person = row.approver_id if decision.way is Way.LINK else decision.person
    if person is None:
        return _refused("nobody knows whose decision this is", "a token or a name of a colleague is needed")
    if person == row.requester_id:
        return _refused("nobody approves their own request")
    if person != row.approver_id:
        return _refused("this approval is asked of somebody else")
    return None


def _barred(facts: DecisionFacts) -> JudgedDecision | None:
    """The rights of its approver, asked again, and whether it is still open."""
    row, colleagues = facts.approval, facts.colleagues
    if colleagues.active(row.approver_id) is None:
        return _refused("the approver is no longer an active colleague of the organization", wakes=True)
    if facts.run_status not in OPEN_RUNS:
        return _late("the run that asked for it is over")
    if row.expires_at is not None and row.expires_at <= facts.now:
        return _late("the time for it is up", wakes=True)
    if not still_stands(row, colleagues):
        return _refused("the approver is no longer the one who has to decide", wakes=True)
    return None


def _delegation(decision: Decision, facts: DecisionFacts) -> JudgedDecision:
    row, target = facts.approval, decision.to
    if target is None or target == row.approver_id:
        return _wrong("to: another colleague")
    if facts.colleagues.active(target) is None:
        return _wrong("to: an active colleague of the organization")
    if target == row.requester_id:
        return _refused("nobody approves their own request", "to: another colleague than the requester")
    if any(each.approver_id == target and (each.is_pending or each.is_decided) for each in facts.others):
        return _late("to: this colleague is asked already")
    before = _handed_on_before(row, facts.others)
    if target in {each.approver_id for each in before}:
        return _late("to: this colleague has handed it on before")
    if len(before) >= MOST_DELEGATIONS:
        return _late(f"it was handed on {MOST_DELEGATIONS} times already")
    return JudgedDecision()


def _handed_on_before(row: AskedApproval, others: tuple[AskedApproval, ...]) -> list[AskedApproval]:
    """By which hands it came; the last one first."""
    by_id, found = {each.id: each for each in others}, []
    current = by_id.get(row.follows) if row.follows is not None else None
    while current is not None and current not in found:
        found.append(current)
        current = by_id.get(current.follows) if current.follows is not None else None
    return found


def _refused(why: str, *details: str, wakes: bool = False) -> JudgedDecision:
    return JudgedDecision(refusal=RejectedInput(why, status=403, details=list(details)), wakes_run=wakes)


def _late(why: str, *, wakes: bool = False) -> JudgedDecision:
    return JudgedDecision(refusal=RejectedInput(why, status=409), wakes_run=wakes)


def _wrong(why: str) -> JudgedDecision:
    return JudgedDecision(refusal=RejectedInput("the request is not valid", status=422, details=[why]))
