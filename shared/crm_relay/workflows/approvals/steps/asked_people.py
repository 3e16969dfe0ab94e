"""The approvals of one step while it is looked at: who is asked, and what becomes of what was asked before."""

from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from crm_relay.workflows.actions.effects import Effect
from crm_relay.workflows.approvals.models import (
    EXPIRED,
    HANDED_ON,
    PENDING,
    ApprovalAsked,
    ApprovalChanged,
    AskedApproval,
    CameBy,
)
from crm_relay.workflows.approvals.people import Colleagues
from crm_relay.workflows.approvals.steps.asking import Asking
from crm_relay.workflows.approvals.steps.stages import Stage

REROUTED: Final = "rerouted"


def over(row: AskedApproval, reason: str) -> ApprovalChanged:
    """Without a decision of its approver."""
    return ApprovalChanged(row.id, f"approval over: {reason}", status=EXPIRED, reason=reason)


@dataclass
class AskedPeople:
    """`rows` are those of the step as they are by now; `known` the ids of those that were there before."""

    asking: Asking
    colleagues: Colleagues
    rows: list[AskedApproval]
    known: frozenset[UUID]
    effects: list[Effect] = field(default_factory=list)

    def of(self, stage: Stage, entry: int | None = None) -> list[AskedApproval]:
        """Of a stage, or of one of its entries."""
        return [row for row in self.rows if row.stage == stage.number and (entry is None or entry in row.entries)]

    def live(self, stage: Stage, entry: int | None = None) -> list[AskedApproval]:
        """Those that count: asked, or answered."""
        return [row for row in self.of(stage, entry) if row.is_pending or row.is_decided]

    def asked_or_handed_on(self, stage: Stage) -> list[AskedApproval]:
        """What was handed on is asked for like any other, before its next approver has heard of it."""
        return [replace(row, status=PENDING) if self.is_unfollowed(row) else row for row in self.of(stage)]

    def is_unfollowed(self, row: AskedApproval) -> bool:
        """Whether it was handed on to somebody who is not asked yet."""
        return row.status in HANDED_ON and all(row.id != each.follows for each in self.rows)

    def can_answer(self, row: AskedApproval) -> bool:
        """Whether its approver has answered, or is there to do so."""
        return row.is_decided or self.colleagues.is_there(row.approver_id)

    @property
    def taken(self) -> frozenset[UUID]:
        """Who has a part in the step already."""
        return frozenset(row.approver_id for row in self.rows if row.status != EXPIRED)

    def ask(
        self,
        stage: Stage,
        entries: tuple[int, ...],
        person: UUID,
        came_by: CameBy,
        *,
        stands_for: UUID | None,
        follows: AskedApproval | None = None,
    ) -> None:
        """Nobody is asked twice: one answer counts for all entries that lead to the same person."""
        there = next((row for row in self.live(stage) if row.approver_id == person), None)
        if there is not None:
            if set(entries) - set(there.entries):
                counted = tuple(sorted({*there.entries, *entries}))
                self.change(there, ApprovalChanged(there.id, "approval counts for another place", entries=counted))
            return
        row = self.asking.row(len(self.rows), stage, entries, person, came_by, stands_for=stands_for, follows=follows)
        self.rows.append(row)
        self.effects += self.asking.asked(row, stage)

    def remind(self, row: AskedApproval, *, is_overdue: bool) -> None:
        """By another notification."""
        line = "approval overdue" if is_overdue else "approval reminded"
        self.change(row, ApprovalChanged(row.id, line, reminded=not is_overdue, overdue=is_overdue))
        self.effects += self.asking.reminded(row, is_overdue=is_overdue)

    def end(self, reason: str, stage: Stage | None = None) -> None:
        """Nobody is asked any more."""
        for row in list(self.rows if stage is None else self.of(stage)):
            if row.is_pending:
                self.change(row, over(row, reason))

    def change(self, row: AskedApproval, change: ApprovalChanged) -> None:
        """From now on it is so."""
        if row.id not in self.known and change.entries is not None:
            self._widen(row, change.entries)
        else:
            self.effects.append(change)
        now = self.colleagues.now
        place = next(place for place, each in enumerate(self.rows) if each.id == row.id)
        self.rows[place] = replace(
            self.rows[place],
            status=change.status or row.status,
            delegated_to=change.delegated_to or row.delegated_to,
            escalated_to=change.escalated_to or row.escalated_to,
            entries=change.entries or row.entries,
            reminded_at=now if change.reminded else row.reminded_at,
            overdue_at=now if change.overdue else row.overdue_at,
        )

    def _widen(self, row: AskedApproval, entries: tuple[int, ...]) -> None:
        """A row that is not written yet."""
        self.effects = [
            replace(each, row={**each.row, "entries": list(entries)})
            if isinstance(each, ApprovalAsked) and each.row["id"] == row.id
            else each
            for each in self.effects
        ]
