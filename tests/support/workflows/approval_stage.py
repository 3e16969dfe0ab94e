"""Runs that wait for people, decided by the one function, on a clock that stands until it is moved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.notifications.content.links import LinkRules
from crm_relay.platform.database import Row
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.approvals.deciding.decide import ApprovalDecided, decide
from crm_relay.workflows.approvals.deciding.decisions import Decision
from crm_relay.workflows.approvals.models import ApprovalAction, Way
from crm_relay.workflows.engine.run_due import RunReport
from crm_relay.workflows.engine.take_runs import RunContext
from crm_relay.workflows.models import Program, StepKind, WorkflowStep
from crm_relay.workflows.run_models import Letterhead
from tests.support.workflows.run_harness import LETTERHEAD, RunHarness, chain, step

KEY = "approval-link-key-0123456789abcdef"
LETTER_HEAD = Letterhead(LETTERHEAD.identity, LETTERHEAD.public_url, (KEY,))
LINKS = LinkRules(own_pages=f"{LETTERHEAD.public_url}/approvals/")

User = Mapping[str, Any]


def user(person: UUID) -> User:
    return {"type": "user", "user_id": str(person)}


def role(name: str) -> User:
    return {"type": "role", "role": name}


MANAGER: User = {"type": "manager"}
OWNER: User = {"type": "owner"}


def approval(*approvers: User, key: str = "ask", **config: Any) -> WorkflowStep:
    """A step that waits for these."""
    return step("approval", key, title="{{deal.name}}", approvers=[dict(each) for each in approvers], **config)


def asking(*approvers: User, **config: Any) -> Program:
    """An approval, and a task behind it."""
    return chain(approval(*approvers, **config), step("create_task", "done", title="Go"))


def with_ways(*approvers: User, **config: Any) -> Program:
    """Approved leads to the task `yes`, anything else to the task `no`."""
    asks = approval(*approvers, **config)
    steps = (
        WorkflowStep("ask", StepKind.APPROVAL, asks.config, next=1, otherwise=2, branches=True),
        WorkflowStep("yes", StepKind.CREATE_TASK, {"title": "Yes"}),
        WorkflowStep("no", StepKind.CREATE_TASK, {"title": "No"}),
    )
    return Program(chain().entity_type, (), steps)


@dataclass
class ApprovalStage:
    """Olga owns the deals, Max is her manager; whoever else is needed is made by `person`."""

    runs: RunHarness
    people: dict[str, UUID] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runs.context = RunContext(LETTER_HEAD, LINKS)
        self.max = self.person("max")
        self.olga = self.person("olga", manager_id=self.max)
        self.deal = self.runs.deal(owner_id=self.olga)

    def person(self, name: str, **columns: Any) -> UUID:
        """A colleague."""
        given = {"name": name.title(), "email": f"{name}@relay.example", **columns}
        self.people[name] = self.runs.insert("user_profiles", **given)
        return self.people[name]

    def change(self, person: UUID, **columns: Any) -> None:
        """Of a colleague."""
        sets = ", ".join(f"{name} = :{name}" for name in columns)
        self.runs.rows(f"update user_profiles set {sets} where id = :id returning id", id=person, **columns)

    def away(self, person: UUID, until: datetime | None = None) -> None:
        """For a long time."""
        self.change(person, out_until=until or self.runs.now.replace(year=2031))

    def begin(self, program: Program, **columns: Any) -> UUID:
        """A run for Olga's deal, which asks at once."""
        run = self.runs.run(program, self.deal, **columns)
        self.tick()
        return run

    def tick(self, **length: float) -> RunReport:
        """What is due so much later."""
        self.runs.wait(**length)
        return self.runs.tick()

    def approvals(self, run: UUID) -> list[Row]:
        """All of them, in the order in which they were asked for."""
        return self.runs.rows(
            "select * from workflow_approvals where execution_id = :run order by created_at, sequence_order, id",
            run=run,
        )

    def asked(self, run: UUID) -> list[str]:
        """The names of those who are asked now."""
        return sorted(self.name(row["approver_id"]) for row in self.approvals(run) if row["status"] == "pending")

    def said(self, run: UUID) -> list[tuple[str, str]]:
        """Names and statuses of all approvals."""
        return sorted((self.name(row["approver_id"]), row["status"]) for row in self.approvals(run))

    def name(self, person: UUID) -> str:
        return next(name for name, each in self.people.items() if each == person)

    def pending(self, run: UUID, person: UUID) -> UUID:
        """The approval that they are asked for."""
        (found,) = [
            row["id"] for row in self.approvals(run) if row["approver_id"] == person and row["status"] == "pending"
        ]
        approval_id: UUID = found
        return approval_id

    def decide(
        self,
        approval_id: UUID,
        action: ApprovalAction,
        person: UUID | None,
        *,
        way: Way = Way.API,
        to: UUID | None = None,
    ) -> ApprovalDecided:
        """At this moment."""
        decision = Decision(action, way, person, notes="because", to=to, using="test")
        return decide(self.runs.db, approval_id, decision, self.runs.now)

    def approve(self, run: UUID, person: UUID) -> None:
        """What they are asked for, and what follows."""
        assert self.decide(self.pending(run, person), ApprovalAction.APPROVE, person).changed
        self.tick()

    def reject(self, run: UUID, person: UUID) -> None:
        assert self.decide(self.pending(run, person), ApprovalAction.REJECT, person).changed
        self.tick()

    def delegate(self, run: UUID, person: UUID, to: UUID) -> None:
        assert self.decide(self.pending(run, person), ApprovalAction.DELEGATE, person, to=to).changed
        self.tick()

    def refusal(self, approval_id: UUID, action: ApprovalAction, person: UUID | None, **more: Any) -> tuple[int, str]:
        """Status and words; AssertionError where it is not refused."""
        try:
            self.decide(approval_id, action, person, **more)
        except RejectedInput as error:
            return error.status, error.message
        raise AssertionError("it was decided")

    def token(self, person: UUID) -> str:
        """Of the newest link that they were notified with."""
        row = self.runs.rows(
            "select action_url from notifications where user_id = :id and template_slug = 'approval_required'"
            " order by created_at desc, updated_at desc limit 1",
            id=person,
        )[0]
        return str(row["action_url"]).rpartition("/")[2]

    def tasks(self) -> list[str]:
        """Titles of the tasks that runs have made."""
        return sorted(row["subject"] for row in self.runs.activities())
