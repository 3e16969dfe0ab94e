"""Trials of the engine of workflows: workers that die, clocks that jump, and connections that are cut."""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Row
from crm_relay.workflows.models import Program
from tests.support.processes.fork_server import ForkServer
from tests.support.workflows.forked_engine import EngineOrder
from tests.support.workflows.run_harness import RunHarness, chain, step

RECORDS = 4
STEPS = 9
FAULTS = ("500_before", "500_after", "cut_before", "cut_after", "429")
_JUMPS = (timedelta(), timedelta(minutes=2), timedelta(minutes=20), timedelta(hours=1), timedelta(hours=3))
_ROUNDS = 40
_ANSWER = """
    update workflow_webhooks set state = 'delivered', status_code = 200 where state = 'waiting' returning id
"""
_CUT = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
"""


def program(pool: list[UUID], approver: UUID) -> Program:
    """A step of each kind that has an effect, with a wait, an approval and an awaited webhook in between."""
    return chain(
        step("create_task", title="{{deal.name}}"),
        step("send_email", subject="{{deal.name}}", text="x"),
        step("update_field", field="name", value="{{deal.name}}!"),
        step("send_notification", user_id=str(pool[0]), title="{{deal.name}}", message="x"),
        step("wait", hours=1),
        step("assign", assignee_type="round_robin", pool=[str(each) for each in pool]),
        step("approval", title="{{deal.name}}", approvers=[{"type": "user", "user_id": str(approver)}]),
        step("webhook", url="https://hooks.example.com/x"),
        step("create_activity", subject="{{deal.name}}"),
    )


@dataclass
class WorkflowFound:
    """What one trial left behind: nothing of it may be there but `parked`, which is told and never sent again."""

    twice: int = 0
    lost: int = 0
    unfinished: int = 0
    uneven: int = 0
    parked: int = 0
    killed: int = 0

    @property
    def is_faultless(self) -> bool:
        return (self.twice, self.lost, self.unfinished, self.uneven) == (0, 0, 0, 0)


@dataclass
class WorkflowTrials:
    """One database for many trials, each with a workflow and records of its own."""

    runs: RunHarness
    forks: ForkServer
    trials: int = 0
    program: Program = field(init=False)

    def begin(self) -> UUID:
        """A workflow with some runs that are due, in an organization of people whom nobody wrote to before."""
        self.trials += 1
        pool = [self.runs.person(f"{name}.{self.trials}") for name in ("grace", "hedy")]
        self.program = program(pool, self.runs.person(f"ida.{self.trials}"))
        workflow = self.runs.workflow(self.program)
        for number in range(RECORDS):
            contact = self.runs.contact(f"p{number}.{self.trials}")
            self.runs.start(workflow, self.runs.deal(f"d{number}", lead_contact_id=contact))
        return workflow

    def order(self, dies: dict[str, Any], *, decides: bool = True) -> EngineOrder:
        """One worker at this moment."""
        sim = self.runs.sim
        return EngineOrder(self.runs.url, sim.url, sim.api_key, self.runs.now.isoformat(), dies, decides)

    def live(self, dies: dict[str, Any], *, decides: bool = True) -> dict[str, Any]:
        """One worker until its end."""
        ended = self.forks.end_of(self.forks.start(self.order(dies, decides=decides)))
        if not ended["signal"] and ended["code"]:
            raise AssertionError(f"a worker failed with exit code {ended['code']}")
        return ended

    def answer(self) -> None:
        """The other system answers every webhook that waits."""
        self.runs.rows(_ANSWER)

    def calm(self, workflow: UUID) -> None:
        """Runs in peace until nothing is due any more."""
        self.runs.sim.faults.clear()
        for _ in range(_ROUNDS):
            self.live({})
            self.answer()
            if not self._waits(workflow):
                return
            self.runs.time[0] += max(self._next() - self.runs.now, timedelta(minutes=2))

    def chaos(self, seed: int) -> WorkflowFound:
        """One trial: some rounds in which everything goes wrong, then peace; and what was found."""
        chance = random.Random(seed)
        workflow, killed = self.begin(), 0
        for _ in range(chance.randint(2, 4)):
            for _ in range(chance.randint(0, 2)):
                self.runs.sim.fault(chance.choice(FAULTS))
            workers = [
                self.forks.start(self.order(self.death(chance), decides=chance.random() < 0.7))
                for _ in range(chance.choice((1, 1, 2)))
            ]
            if chance.random() < 0.2:
                self.runs.rows(_CUT)
            killed += sum(self.forks.end_of(pid)["signal"] != 0 for pid in workers)
            if chance.random() < 0.5:
                self.answer()
            self.runs.sim.faults.clear()
            self.runs.time[0] += chance.choice(_JUMPS)
        self.calm(workflow)
        return replace(self.look(workflow), killed=killed)

    def look(self, workflow: UUID) -> WorkflowFound:
        """Every effect by its number."""
        deals = self._rows("select name, owner_id from deals where id in (select entity_id from run)", workflow)
        mails = self._rows(
            "select id::text as id, status from email_sends where entity_id in (select id from action)", workflow
        )
        notices = self._rows("select from notifications where entity_id in (select entity_id from run)", workflow)
        hooks = self._rows("select from workflow_webhooks where execution_id in (select id from run)", workflow)
        steps = self._rows("select from workflow_steps where execution_id in (select id from run)", workflow)
        approvals = self._rows(
            "select status from workflow_approvals where execution_id in (select id from run)", workflow
        )
        words = self._rows(
            "select from workflow_execution_logs where execution_id in (select id from run)"
            " and message = 'approval approved'",
            workflow,
        )
        requests = self._rows(
            "select withdrawn_for from notifications where entity_id in"
            " (select id from workflow_approvals where execution_id in (select id from run))",
            workflow,
        )
        unfinished = self._rows("select from run where status <> 'completed'", workflow)
        tasks, notes = self._activities("task", workflow), self._activities("note", workflow)
        taken = Counter(mail.tags["send"] for mail in self.runs.sim.mails)
        parked = sum(row["status"] == "unknown" for row in mails)
        got = sum(taken[row["id"]] for row in mails)
        counts = [tasks, notes, len(notices), len(hooks), len(mails), sum(row["name"].count("!") for row in deals)]
        counts += [len(approvals), len(words), sum(row["withdrawn_for"] == "decided" for row in requests)]
        shares = Counter(row["owner_id"] for row in deals)
        return WorkflowFound(
            twice=sum(max(0, each - RECORDS) for each in counts) + sum(taken[row["id"]] > 1 for row in mails),
            lost=sum(max(0, RECORDS - each) for each in counts) + max(0, RECORDS - parked - got),
            unfinished=len(unfinished) + abs(RECORDS * STEPS - len(steps)),
            uneven=int(max(shares.values()) - min(shares.values()) > 1 or None in shares),
            parked=parked,
        )

    def _rows(self, sql: str, workflow: UUID) -> list[Row]:
        """Of this trial: `run` and `action` are its own."""
        return self.runs.rows(
            "with run as (select * from workflow_executions where workflow_id = :workflow),"
            f" action as (select * from workflow_actions where execution_id in (select id from run)) {sql}",
            workflow=workflow,
        )

    def _activities(self, kind: str, workflow: UUID) -> int:
        made = self._rows("select type from activities where entity_id in (select entity_id from run)", workflow)
        return sum(row["type"] == kind for row in made)

    def _next(self) -> datetime:
        """When anything is due next."""
        found = self.runs.one(
            "select least((select min(next_run_at) from workflow_executions),"
            " (select min(not_before) from email_batches where state in ('queued', 'sending'))) as at"
        )["at"]
        return self.runs.now if found is None else found

    def _waits(self, workflow: UUID) -> bool:
        found = self.runs.one(
            "select exists (select from workflow_executions where workflow_id = :workflow and status <> 'completed')"
            " or exists (select from email_batches where state in ('queued', 'sending')) as waits",
            workflow=workflow,
        )
        return bool(found["waits"])

    def death(self, chance: random.Random) -> dict[str, Any]:
        """Where a worker ends."""
        match chance.randint(0, 9):
            case 0 | 1:
                return {}
            case 2 | 3 | 4 | 5:
                return {"step": chance.randint(1, 24), "before": chance.random() < 0.5}
            case _:
                return {"line": chance.randint(1, 12_000)}
