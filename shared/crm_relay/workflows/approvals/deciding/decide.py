"""Decides an approval, whichever way the decision comes: link, page, API or command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.notifications.withdraw import withdrawing
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.approvals.deciding import store
from crm_relay.workflows.approvals.deciding.decisions import LONGEST_NOTES, Decision, DecisionFacts, judge
from crm_relay.workflows.approvals.models import (
    APPROVED,
    DELEGATED,
    ENTITY,
    REJECTED,
    ApprovalAction,
    AskedApproval,
)
from crm_relay.workflows.approvals.people import Colleagues
from crm_relay.workflows.run_models import Assignee

_STATUSES = {ApprovalAction.APPROVE: APPROVED, ApprovalAction.REJECT: REJECTED, ApprovalAction.DELEGATE: DELEGATED}


@dataclass(frozen=True)
class ApprovalDecided:
    """`changed` False: it was decided, or was over, before, as `status` says."""

    id: UUID
    status: str
    changed: bool


def decide(db: Database, approval_id: UUID, decision: Decision, now: datetime | None = None) -> ApprovalDecided:
    """Once: a second decision answers what was decided. `now` None: by the database's clock.

    Every right is asked again behind the lock of the run. What follows is the engine's, at once where it is woken.
    RejectedInput: 404 for an unknown approval, 403 for a stranger and the requester, 409 where it is too late.
    """
    if decision.notes is not None and len(decision.notes) > LONGEST_NOTES:
        raise RejectedInput(f"notes: at most {LONGEST_NOTES} characters", status=422)
    decided, refusal = db.transact(lambda tx: _decide(tx, approval_id, decision, now))
    if refusal is not None:
        raise refusal
    return decided


def _decide(
    tx: Transaction, approval_id: UUID, decision: Decision, now: datetime | None
) -> tuple[ApprovalDecided, RejectedInput | None]:
    rows = store.lock_and_read(tx, approval_id, now)
    if not rows:
        raise RejectedInput("there is no such approval", status=404)
    facts = _facts(tx, rows, approval_id, decision)
    judged = judge(decision, facts)
    row = facts.approval
    if judged.is_known or judged.refusal is not None:
        tx.finish([store.waking_run(row.id, facts.now)] if judged.wakes_run else [])
        return ApprovalDecided(row.id, row.status, changed=False), judged.refusal
    return _record(tx, decision, facts), None


def _record(tx: Transaction, decision: Decision, facts: DecisionFacts) -> ApprovalDecided:
    row, status = facts.approval, _STATUSES[decision.action]
    approver = facts.colleagues.people[row.approver_id]
    recorded = store.recording_decision(
        id=row.id,
        status=status,
        now=facts.now,
        notes=decision.notes,
        name=approver.name or "without a name",
        role=approver.role,
        way=decision.way.value,
        using=decision.using,
        to=decision.to if decision.action is ApprovalAction.DELEGATE else None,
    )
    tx.finish([recorded, withdrawing(ENTITY, [row.id], facts.now)])
    return ApprovalDecided(row.id, status, changed=True)


def _facts(tx: Transaction, rows: list[Row], approval_id: UUID, decision: Decision) -> DecisionFacts:
    row = AskedApproval.from_row(next(each for each in rows if each["id"] == approval_id))
    owner = rows[0]["owner_id"]
    around = {row.approver_id, row.stands_for, row.requester_id, owner, decision.person, decision.to}
    people = store.people_around(tx, row.org_id, sorted(each for each in around if each is not None))
    return facts_of(rows, approval_id, people)


def facts_of(rows: list[Row], approval_id: UUID, people: Mapping[UUID, Assignee]) -> DecisionFacts:
    """Of the rows of `store.read`, with the colleagues who matter."""
    asked = [AskedApproval.from_row(row) for row in rows]
    row = next(each for each in asked if each.id == approval_id)
    first = rows[0]
    now: datetime = first["now"]
    owner: UUID | None = first["owner_id"] if first["owner_id"] in people else None
    status = "cancelled" if first["is_gone"] else first["run_status"]
    colleagues = Colleagues(people, owner, row.requester_id, now)
    return DecisionFacts(row, tuple(each for each in asked if each.id != row.id), colleagues, status, now)
