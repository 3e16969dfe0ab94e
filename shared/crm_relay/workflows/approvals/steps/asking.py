"""Asks somebody for an approval: the row, its link, and the notification that brings it; pure but for the token."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from crm_relay.notifications.models import Channel, NotificationRequest, Priority, Recipients
from crm_relay.workflows.actions.configs import ApprovalConfig
from crm_relay.workflows.actions.effects import NoticeOut, StepMoment
from crm_relay.workflows.approvals.links import PATH, link_sha256, new_approval_token
from crm_relay.workflows.approvals.models import (
    ENTITY,
    PENDING,
    ApprovalAsked,
    ApprovalFacts,
    ApprovalLink,
    AskedApproval,
    CameBy,
)
from crm_relay.workflows.approvals.steps.stages import Stage
from crm_relay.workflows.moments import moment_of

SLUG: Final = "approval_required"

# The link decides, so it goes only where its reader alone reads: a channel of Slack has many.
_CHANNELS = (Channel.IN_APP, Channel.EMAIL)
_LONGEST_TITLE = 200


@dataclass(frozen=True)
class Asking:
    """What all approvals of a step have in common. `zone` is the clock of its spans; `expires_at` that of the whole."""

    config: ApprovalConfig
    at: StepMoment
    facts: ApprovalFacts
    step_id: UUID
    requester: UUID | None
    zone: str
    expires_at: datetime | None
    title: str = field(init=False)

    def __post_init__(self) -> None:
        written = self.at.text(self.config.title, is_line=True).strip() or self.at.run.workflow_name
        object.__setattr__(self, "title", written[:_LONGEST_TITLE])

    def row(
        self,
        number: int,
        stage: Stage,
        entries: tuple[int, ...],
        person: UUID,
        came_by: CameBy,
        *,
        stands_for: UUID | None,
        follows: AskedApproval | None = None,
    ) -> AskedApproval:
        """`number`: how many approvals the step has had before it, which gives it its identity."""
        listed = self.config.approvers[entries[0]]
        return AskedApproval(
            id=uuid5(self.step_id, f"approval/{number}"),
            execution_id=self.at.run.id,
            step_id=self.step_id,
            org_id=self.at.run.org_id,
            approver_id=person,
            status=PENDING,
            stage=stage.number,
            entries=entries,
            approver_type=listed.type,
            approver_role=listed.role,
            stands_for=stands_for,
            came_by=came_by,
            requester_id=self.requester,
            follows=None if follows is None else follows.id,
            due_at=self._moment(self.config.due),
            remind_at=self._moment(self.config.remind),
            expires_at=self.expires_at,
        )

    def asked(self, row: AskedApproval, stage: Stage) -> list[ApprovalAsked | NoticeOut]:
        """The row as it is written, and what its approver hears."""
        token = new_approval_token(self.facts.link_keys)
        columns = {
            "id": row.id,
            "org_id": row.org_id,
            "execution_id": row.execution_id,
            "step_id": row.step_id,
            "approver_id": row.approver_id,
            "approver_type": row.approver_type,
            "approver_role": row.approver_role,
            "due_at": row.due_at,
            "sequence_order": row.stage,
            "is_parallel": self.config.mode == "parallel",
            "title": self.title,
            "message": self.at.optional(self.config.message),
            "requester_id": row.requester_id,
            "entries": list(row.entries),
            "quorum": stage.quorum,
            "stands_for": row.stands_for,
            "came_by": row.came_by.value,
            "follows": row.follows,
            "remind_at": row.remind_at,
            "expires_at": row.expires_at,
        }
        return [ApprovalAsked(columns, link_sha256(token)), self._notice(row, token, f"approval:{row.id}")]

    def reminded(self, row: AskedApproval, *, is_overdue: bool) -> list[ApprovalLink | NoticeOut]:
        """Another link to the same approval: of the first one nothing but its hash is known."""
        token = new_approval_token(self.facts.link_keys)
        word = "overdue" if is_overdue else "reminder"
        return [
            ApprovalLink(row.id, link_sha256(token)),
            self._notice(row, token, f"approval-{word}:{row.id}", lead="Overdue" if is_overdue else "Reminder"),
        ]

    def _notice(self, row: AskedApproval, token: str, key: str, *, lead: str | None = None) -> NoticeOut:
        requester = None if self.requester is None else self.at.facts.people.get(self.requester)
        name = f"The workflow {self.at.run.workflow_name}" if requester is None else requester.name or "A colleague"
        request = NotificationRequest(
            org_id=row.org_id,
            event_key=key,
            recipients=Recipients(users=(row.approver_id,)),
            slug=SLUG,
            variables={"item": {"title": self.title}, "requester": {"name": name}},
            title=None if lead is None else f"{lead}: approval needed for {self.title}",
            priority=Priority.HIGH if lead else None,
            channels=_CHANNELS,
            entity_type=ENTITY,
            entity_id=row.id,
            action_url=f"{self.facts.public_url}{PATH}{token}",
            expires_at=row.expires_at,
        )
        return NoticeOut(request, may_reach_nobody=True)

    def _moment(self, text: str | None) -> datetime | None:
        written = self.at.optional(text)
        return None if written is None else moment_of(written, self.at.now, self.zone)
