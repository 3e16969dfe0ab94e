"""An approval step without a database: what a look decides is done to rows in memory, and people answer them."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from crm_relay.rules.record_conditions import ConditionSubject, RecordFacts
from crm_relay.workflows.actions.configs import ApprovalConfig
from crm_relay.workflows.actions.effects import NoticeOut, StepMoment
from crm_relay.workflows.approvals.deciding.decisions import Decision, DecisionFacts, JudgedDecision, judge
from crm_relay.workflows.approvals.models import (
    ApprovalAction,
    ApprovalAsked,
    ApprovalChanged,
    ApprovalFacts,
    AskedApproval,
    NobodyToAsk,
    Way,
)
from crm_relay.workflows.approvals.people import Colleagues
from crm_relay.workflows.approvals.steps.step import ApprovalLook, look_at_approvals
from crm_relay.workflows.models import StepKind, WorkflowStep
from crm_relay.workflows.run_models import Assignee, OpenWait, StepFacts, WorkflowRun

ORG, RUN, STEP, DEAL = (UUID(int=number) for number in (1, 2, 3, 4))
MONDAY = datetime(2026, 11, 16, 9, tzinfo=UTC)
_STATUSES = {
    ApprovalAction.APPROVE: "approved",
    ApprovalAction.REJECT: "rejected",
    ApprovalAction.DELEGATE: "delegated",
}


def id_of(name: str) -> UUID:
    """Of the colleague of this name."""
    return uuid5(ORG, name)


@dataclass
class ApprovalBoard:
    """Colleagues by their names. `owner` owns the record; `actor` made the change, None: plain SQL."""

    config: dict[str, Any]
    owner: str | None = "olga"
    actor: str | None = None
    zone: str | None = None
    now: datetime = MONDAY
    people: dict[UUID, Assignee] = field(default_factory=dict)
    rows: list[AskedApproval] = field(default_factory=list)
    notices: list[NoticeOut] = field(default_factory=list)
    outcome: str | None = None
    has_incident: bool = False
    opened: OpenWait | None = None
    trigger_type: str = "automatic"

    def add(self, name: str, **columns: Any) -> UUID:
        """A colleague; `manager` and `deputy` are names."""
        known = {word: id_of(columns.pop(word)) for word in ("manager", "deputy") if columns.get(word)}
        links = {f"{word}_id": person for word, person in known.items()}
        given = {"org_id": ORG, "name": name.title(), **links, **columns}
        self.people[id_of(name)] = Assignee(id_of(name), **given)
        return id_of(name)

    def change(self, name: str, **columns: Any) -> None:
        self.people[id_of(name)] = replace(self.people[id_of(name)], **columns)

    def leave(self, name: str) -> None:
        self.change(name, is_active=False)

    def go_away(self, name: str) -> None:
        self.change(name, out_until=self.now + timedelta(days=900))

    def come_back(self, name: str) -> None:
        self.change(name, out_until=None)

    @property
    def moment(self) -> StepMoment:
        run = WorkflowRun(
            RUN, ORG, UUID(int=5), UUID(int=6), "Deal won", 1, "deal", DEAL, 0, 0, self.now,
            triggered_by=None if self.actor is None else id_of(self.actor), trigger_type=self.trigger_type,
        )  # fmt: skip
        owner = None if self.owner is None else {"id": str(id_of(self.owner)), "timezone": self.zone}
        subject = ConditionSubject("deal", RecordFacts({"name": "Engine"}, owner=owner))
        approvals = ApprovalFacts(tuple(self.rows), self.has_incident, "https://crm.example.com", ("key",))
        facts = StepFacts(subject, people=self.people, approvals=approvals)
        return StepMoment(run, WorkflowStep("0", StepKind.APPROVAL), facts, self.now, 0)

    def look(self, **later: float) -> ApprovalLook:
        """The engine's next look, so much later; what it decides is so from then on."""
        self.now += timedelta(**later)
        opened = self.opened or None
        looked = look_at_approvals(ApprovalConfig.model_validate(self.config), self.moment, opened)
        for effect in looked.effects:
            self._apply(effect)
        self.opened = self.opened or OpenWait(self.moment.step_id, 0, self.now, looked.until)
        self.outcome = looked.outcome
        assert len({(row.approver_id, row.status) for row in self.rows if row.is_pending}) == len(self.asked)
        return looked

    def _apply(self, effect: object) -> None:
        match effect:
            case ApprovalAsked():
                row = {**effect.row, "stage": effect.row["sequence_order"], "status": "pending"}
                unset = ("delegated_to", "escalated_to", "reminded_at", "overdue_at")
                self.rows.append(AskedApproval.from_row({**dict.fromkeys(unset), **row}))
            case ApprovalChanged():
                self.rows = [self._changed(row, effect) if row.id == effect.id else row for row in self.rows]
            case NobodyToAsk():
                self.has_incident = effect.is_so
            case NoticeOut():
                self.notices.append(effect)

    def _changed(self, row: AskedApproval, change: ApprovalChanged) -> AskedApproval:
        return replace(
            row,
            status=change.status or row.status,
            delegated_to=change.delegated_to or row.delegated_to,
            escalated_to=change.escalated_to or row.escalated_to,
            entries=change.entries or row.entries,
            reminded_at=self.now if change.reminded else row.reminded_at,
            overdue_at=self.now if change.overdue else row.overdue_at,
        )

    def judged(
        self, name: str, action: ApprovalAction, *, by: str | None = None, to: str | None = None, way: Way = Way.API
    ) -> JudgedDecision:
        """What `by` gets for an answer to what `name` is asked for."""
        row = self.row_of(name)
        requester = row.requester_id
        owner = None if self.owner is None else id_of(self.owner)
        facts = DecisionFacts(
            row,
            tuple(each for each in self.rows if each.id != row.id),
            Colleagues(self.people, owner, requester, self.now),
            "running",
            self.now,
        )
        person = id_of(by or name)
        return judge(Decision(action, way, person, to=None if to is None else id_of(to)), facts)

    def answer(self, name: str, action: ApprovalAction, *, to: str | None = None) -> JudgedDecision:
        """They answer, where they may."""
        judged = self.judged(name, action, to=to)
        if judged == JudgedDecision():
            row = self.row_of(name)
            answered = replace(row, status=_STATUSES[action], delegated_to=None if to is None else id_of(to))
            self.rows[self.rows.index(row)] = answered
        return judged

    def row_of(self, name: str) -> AskedApproval:
        """The newest that they were asked for; the one that waits first."""
        rows = [row for row in self.rows if row.approver_id == id_of(name)]
        return max(rows, key=lambda row: (row.is_pending, self.rows.index(row)))

    @property
    def asked(self) -> list[str]:
        """The names of those who are asked now."""
        return sorted(self.name(row.approver_id) for row in self.rows if row.is_pending)

    @property
    def said(self) -> list[tuple[str, str]]:
        """Each approval in its order: who, and what became of it."""
        return [(self.name(row.approver_id), row.status) for row in self.rows]

    def name(self, person: UUID) -> str:
        return str(self.people[person].name).lower()

    @property
    def titles(self) -> list[tuple[str, str]]:
        """Who was notified, and of what, where it is no first request."""
        return [(self.name(each.request.recipients.users[0]), each.request.title or "asked") for each in self.notices]


def board(*approvers: dict[str, Any], **config: Any) -> ApprovalBoard:
    """Olga owns the record and made the change by SQL; Max is her manager, Ida his."""
    made = ApprovalBoard({"approvers": list(approvers), **config})
    made.add("ida")
    made.add("max", manager="ida")
    made.add("olga", manager="max")
    return made


def user(name: str) -> dict[str, Any]:
    return {"type": "user", "user_id": str(id_of(name))}
