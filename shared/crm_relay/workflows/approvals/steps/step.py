"""A step that waits for people: who has to be asked now, what became of those who were, and whether it is over."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from crm_relay.workflows.actions.configs import ApprovalConfig
from crm_relay.workflows.actions.effects import Effect, StepMoment
from crm_relay.workflows.approvals.models import (
    APPROVED,
    DELEGATED,
    ESCALATED,
    EXPIRED,
    REJECTED,
    ApprovalChanged,
    ApprovalFacts,
    AskedApproval,
    CameBy,
    NobodyToAsk,
)
from crm_relay.workflows.approvals.people import Colleagues, route, still_stands
from crm_relay.workflows.approvals.steps.asked_people import REROUTED, AskedPeople, over
from crm_relay.workflows.approvals.steps.asking import Asking
from crm_relay.workflows.approvals.steps.principals import principals_of
from crm_relay.workflows.approvals.steps.stages import Stage, StageState, stages_of, state_of
from crm_relay.workflows.moments import moment_of, zone_for
from crm_relay.workflows.run_models import OpenWait

# Somebody leaves, is away or comes back: noticed so late at the latest.
_PEOPLE_ARE_READ_AGAIN: Final = timedelta(hours=1)
_NOBODY_IS_THERE: Final = timedelta(minutes=15)
_BY_SCHEDULE: Final = "scheduled"
_CHOSEN: Final = frozenset({CameBy.DELEGATION, CameBy.ESCALATION})


@dataclass(frozen=True)
class ApprovalLook:
    """`outcome` None: it waits on, is looked at again at `look_at`, and ends at `until` whatever happens."""

    effects: tuple[Effect, ...]
    outcome: str | None
    until: datetime | None
    look_at: datetime
    result: dict[str, Any]


def look_at_approvals(config: ApprovalConfig, at: StepMoment, opened: OpenWait | None = None) -> ApprovalLook:
    """`opened` None: it begins now. RejectedInput where its approvers or times cannot be read."""
    return _Look.of(config, at, opened).taken()


def ended_approvals(facts: ApprovalFacts | None, step_id: UUID, reason: str) -> list[Effect]:
    """What is still asked for by a step that is over without an answer."""
    rows = () if facts is None else facts.rows
    return [over(row, reason) for row in rows if row.step_id == step_id and row.is_pending]


@dataclass
class _Look:
    config: ApprovalConfig
    at: StepMoment
    people: AskedPeople
    expires_at: datetime | None
    had_nobody: bool
    missing: bool = False

    @classmethod
    def of(cls, config: ApprovalConfig, at: StepMoment, opened: OpenWait | None) -> "_Look":
        facts = at.facts.approvals or ApprovalFacts()
        step_id = at.step_id if opened is None else opened.step_id
        requester = _requester(at, facts.rows)
        colleagues = Colleagues(at.facts.people, at.owner_id, requester, at.now)
        zone = zone_for(config.zone, at.facts.records.owner)
        expires_at = opened.until if opened is not None else _expiry(config, at, zone)
        asking = Asking(config, at, facts, step_id, requester, zone, expires_at)
        rows = [row for row in facts.rows if row.step_id == step_id]
        people = AskedPeople(asking, colleagues, rows, frozenset(row.id for row in rows))
        return cls(config, at, people, expires_at, facts.has_incident)

    def taken(self) -> ApprovalLook:
        is_late = self.expires_at is not None and self.expires_at <= self.at.now
        outcome: str | None = APPROVED
        for stage in stages_of(self.config):
            outcome = self._stage(stage, is_late=is_late)
            if outcome != APPROVED:
                break
        if outcome is not None:
            self.people.end("expired" if outcome == EXPIRED else "decided")
        if self.missing != self.had_nobody:
            self.people.effects.append(NobodyToAsk(self.missing))
        return ApprovalLook(
            tuple(self.people.effects), outcome, self.expires_at, self._look_at(), self._result(outcome)
        )

    def _stage(self, stage: Stage, *, is_late: bool) -> str | None:
        """The word of what it came to; None: it waits."""
        people = self.people
        state = state_of(stage, people.asked_or_handed_on(stage))
        if state in {StageState.APPROVED, StageState.REJECTED}:
            people.end("decided", stage)
            return APPROVED if state is StageState.APPROVED else REJECTED
        if is_late:
            return EXPIRED
        self._follow(stage)
        is_short = state_of(stage, people.of(stage)) is StageState.SHORT
        for entry in stage.entries:
            self._entry(stage, entry, is_short=is_short)
        self.missing = self._is_missing(stage)
        for row in people.of(stage):
            if row.is_pending and row.id in people.known:
                self._clock(stage, row)
        return None

    def _follow(self, stage: Stage) -> None:
        """Asks the colleague that a delegation names."""
        people, colleagues = self.people, self.people.colleagues
        for row in filter(people.is_unfollowed, people.of(stage)):
            target = row.delegated_to or row.escalated_to
            if target is None or not colleagues.active(target) or target == colleagues.requester:
                people.change(row, over(row, REROUTED))
                continue
            came_by = CameBy.DELEGATION if row.status == DELEGATED else CameBy.ESCALATION
            people.ask(stage, row.entries, target, came_by, stands_for=row.stands_for, follows=row)
            if people.is_unfollowed(row):
                people.change(row, over(row, "asked_already"))

    def _entry(self, stage: Stage, entry: int, *, is_short: bool) -> None:
        people, colleagues = self.people, self.people.colleagues
        for row in people.of(stage, entry):
            if row.is_pending and not still_stands(row, colleagues):
                people.change(row, over(row, REROUTED))
        live = people.live(stage, entry)
        if live and (stage.quorum is not None or not any(map(people.can_answer, live))):
            for row in live:
                if row.is_pending and not colleagues.is_there(row.approver_id):
                    self._stand_in(stage, row)
        if live and not is_short:
            return
        asked = {row.stands_for for row in live}
        for principal in principals_of(self.config.approvers[entry], self.at, colleagues):
            if principal is None or principal not in asked:
                self._ask_for(stage, entry, principal)

    def _stand_in(self, stage: Stage, row: AskedApproval) -> None:
        """Its approver went away since they were asked."""
        principal = row.approver_id if row.came_by in _CHOSEN else row.stands_for
        found = route(principal, self.people.colleagues, self.people.taken)
        if found is None or not found.is_there or found.person == row.approver_id:
            return
        line = f"approval handed on: the approver is away, {found.came_by.value} asked"
        change = ApprovalChanged(row.id, line, status=DELEGATED, delegated_to=found.person, reason="away")
        self.people.change(row, change)
        self.people.ask(stage, row.entries, found.person, found.came_by, stands_for=principal, follows=row)

    def _ask_for(self, stage: Stage, entry: int, principal: UUID | None) -> None:
        found = route(principal, self.people.colleagues, self.people.taken)
        if found is not None:
            self.people.ask(stage, (entry,), found.person, found.came_by, stands_for=principal)

    def _is_missing(self, stage: Stage) -> bool:
        """Whether there are too few people who can answer now."""
        people = self.people
        if stage.quorum is None:
            return any(not any(map(people.can_answer, people.live(stage, entry))) for entry in stage.entries)
        able = {row.approver_id for row in people.live(stage) if row.status != REJECTED and people.can_answer(row)}
        return len(able) < stage.quorum

    def _clock(self, stage: Stage, row: AskedApproval) -> None:
        """Escalated, or its approver reminded, as its times say."""
        now = self.at.now
        if row.overdue_at is not None:
            return
        if row.due_at is not None and row.due_at <= now:
            if not self._escalate(stage, row):
                self.people.remind(row, is_overdue=True)
        elif row.remind_at is not None and row.remind_at <= now and row.reminded_at is None:
            self.people.remind(row, is_overdue=False)

    def _escalate(self, stage: Stage, row: AskedApproval) -> bool:
        """Once: what is overdue a second time stays where it is."""
        target = None if row.came_by is CameBy.ESCALATION else self._escalation_of(row)
        taken = self.people.taken
        found = None if target is None else route(target, self.people.colleagues, taken)
        if found is None or not found.is_there or found.person in taken:
            return False
        change = ApprovalChanged(
            row.id, "approval escalated: overdue", status=ESCALATED, escalated_to=found.person, reason="overdue"
        )
        self.people.change(row, change)
        came_by = CameBy.ESCALATION
        self.people.ask(stage, row.entries, found.person, came_by, stands_for=row.stands_for, follows=row)
        return True

    def _escalation_of(self, row: AskedApproval) -> UUID | None:
        match self.config.escalate_to:
            case "manager":
                return self.people.colleagues.manager_of(row.approver_id)
            case "owner":
                return self.people.colleagues.owner_id
            case wanted:
                return wanted

    def _look_at(self) -> datetime:
        now = self.at.now
        moments = [now + (_NOBODY_IS_THERE if self.missing else _PEOPLE_ARE_READ_AGAIN)]
        if self.expires_at is not None:
            moments.append(self.expires_at)
        for row in self.people.rows:
            if row.is_pending and row.overdue_at is None:
                times = (row.due_at, None if row.reminded_at else row.remind_at)
                moments += [max(each, now) for each in times if each is not None]
        return min(moments)

    def _result(self, outcome: str | None) -> dict[str, Any]:
        """By ids alone: names may be erased."""
        rows = self.people.rows
        decided = [
            {"approval_id": str(row.id), "by": str(row.approver_id), "decision": row.status}
            for row in rows
            if row.is_decided
        ]
        found: dict[str, Any] = {"outcome": outcome}
        if outcome is None:
            found = {"asked": sum(row.is_pending for row in rows)}
            found |= {"reason": "nobody_to_ask"} if self.missing else {}
        return found | ({"decisions": decided} if decided else {})


def _requester(at: StepMoment, rows: tuple[AskedApproval, ...]) -> UUID | None:
    """That of the run's first approval, even if the record has another owner by now; else the actor, else the owner."""
    if rows:
        return rows[0].requester_id
    if at.run.triggered_by is not None:
        return at.run.triggered_by
    return None if at.run.trigger_type == _BY_SCHEDULE else at.owner_id


def _expiry(config: ApprovalConfig, at: StepMoment, zone: str) -> datetime | None:
    written = at.optional(config.expires)
    return None if written is None else moment_of(written, at.now, zone)
