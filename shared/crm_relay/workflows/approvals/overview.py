"""Approvals as people see them: those that wait with their age, and one with what it is about."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import queries_beside
from crm_relay.workflows.approvals.links import link_sha256, may_be_approval_token

_SQL = queries_beside(__file__, "overview.sql")

MOST_LISTED = 500


@dataclass(frozen=True)
class ApprovalShown:
    """A row of `workflow_approvals` with names. `age_seconds`: since it was asked for.

    `decided_by_name` and `decided_by_role` are as they were at the decision, the other names as they are now.
    `ended_for`: why it is over without a decision. `is_mine`: the caller is its approver.
    """

    id: UUID
    org_id: UUID
    execution_id: UUID
    step_id: UUID | None
    workflow_id: UUID
    workflow_name: str
    entity_type: str | None
    entity_id: UUID | None
    status: str
    title: str | None
    message: str | None
    approver_id: UUID
    approver_name: str | None
    approver_type: str | None
    came_by: str
    stands_for: UUID | None
    stands_for_name: str | None
    requester_id: UUID | None
    requester_name: str | None
    stage: int
    is_parallel: bool
    quorum: int | None
    requested_at: datetime | None
    age_seconds: int | None
    due_at: datetime | None
    expires_at: datetime | None
    responded_at: datetime | None
    notes: str | None
    decided_by: UUID | None
    decided_by_name: str | None
    decided_by_role: str | None
    decided_via: str | None
    decided_with: str | None
    delegated_to: UUID | None
    escalated_to: UUID | None
    ended_for: str | None
    run_status: str
    is_mine: bool = False


_COLUMNS = tuple(each.name for each in fields(ApprovalShown) if each.name != "is_mine")


def list_approvals(
    db: Queryable,
    *,
    org_id: UUID | None = None,
    approver_id: UUID | None = None,
    execution_id: UUID | None = None,
    record: tuple[str, UUID] | None = None,
    is_pending: bool | None = True,
    limit: int = 50,
    viewer: UUID | None = None,
) -> list[ApprovalShown]:
    """The oldest that wait first; `is_pending` None: those that are over as well. `viewer`: who asks.

    `record`: entity type and id of what the runs are about.
    """
    rows = db.run(
        _SQL["show_approvals"],
        ids=None,
        now=None,
        org_id=org_id,
        approver_id=approver_id,
        execution_id=execution_id,
        entity_type=None if record is None else record[0],
        entity_id=None if record is None else record[1],
        is_pending=is_pending,
        limit=min(limit, MOST_LISTED),
    )
    return [_shown(row, viewer) for row in rows]


def show_approval(db: Queryable, approval_id: UUID, *, viewer: UUID | None = None) -> ApprovalShown:
    """RejectedInput with 404 for an unknown one."""
    names = ("org_id", "approver_id", "execution_id", "entity_type", "entity_id", "is_pending", "now")
    unbound = dict.fromkeys(names)
    rows = db.run(_SQL["show_approvals"], ids=[approval_id], limit=1, **unbound)
    if not rows:
        raise RejectedInput("there is no such approval", status=404)
    return _shown(rows[0], viewer)


def approval_by_link(db: Queryable, token: str) -> ApprovalShown | None:
    """Two short statements that change nothing; None where no approval has this link."""
    if not may_be_approval_token(token):
        return None
    found = db.run(_SQL["approval_of_link"], sha256=link_sha256(token))
    return show_approval(db, found[0]["approval_id"]) if found else None


def _shown(row: dict[str, Any], viewer: UUID | None) -> ApprovalShown:
    given = {name: row[name] for name in _COLUMNS}
    is_mine = viewer is not None and row["approver_id"] == viewer and row["status"] == "pending"
    return ApprovalShown(**given, is_mine=is_mine)
