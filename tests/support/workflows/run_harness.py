"""Runs of workflows that are there already, a simulated Resend, and a clock that stands until it is moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from crm_relay.mail.models import Identity, Mode, SendPolicy
from crm_relay.mail.sending.send_batches import SendReport
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import Json, SqlValue
from crm_relay.providers.resend.client import Resend
from crm_relay.workflows.definition.program_json import program_to_json
from crm_relay.workflows.engine.run_due import RunReport, run_due, send_mail
from crm_relay.workflows.engine.take_runs import RunContext
from crm_relay.workflows.models import (
    ConditionGroup,
    EntityType,
    Program,
    StepKind,
    WorkflowSettings,
    WorkflowStep,
)
from crm_relay.workflows.run_models import Letterhead
from local.simulators.resend import ResendSimulator
from tests.support.platform.rows import one, rows_of

WEDNESDAY = datetime(2026, 11, 18, 15, tzinfo=UTC)
SENDER = Identity(id=None, from_address="team@relay.example", from_name="Relay")
LETTERHEAD = Letterhead(SENDER, "https://crm.example.com")


def step(kind: str, key: str = "", **config: Any) -> WorkflowStep:
    """A step that is not placed yet: `chain` makes each one lead to the next."""
    return WorkflowStep(key, StepKind(kind), config)


def chain(*steps: WorkflowStep, entity_type: str = "deal", **settings: Any) -> Program:
    """A program that takes its steps one after the other."""
    placed = tuple(
        replace(each, key=each.key or str(place), next=place + 1 if place + 1 < len(steps) else None)
        for place, each in enumerate(steps)
    )
    return Program(EntityType(entity_type), (), placed, settings=WorkflowSettings(**settings))


def branch(conditions: ConditionGroup, then: int | None, otherwise: int | None, key: str = "branch") -> WorkflowStep:
    """A condition that leads to these places."""
    return WorkflowStep(key, StepKind.CONDITION, {}, next=then, otherwise=otherwise, conditions=conditions)


@dataclass
class RunHarness:
    """`time` holds everybody's clock, the simulated Resend's as well."""

    db: Database
    sim: ResendSimulator
    url: str
    time: list[datetime]
    policy: SendPolicy = field(default_factory=lambda: SendPolicy(Mode.LIVE))
    context: RunContext = field(default_factory=lambda: RunContext(LETTERHEAD))

    def __post_init__(self) -> None:
        rows_of(
            self.db,
            "update organizations set postal_address = '1 Example Street' where id = default_org_id() returning id",
        )
        self.org: UUID = one(self.db, "select default_org_id() as id")["id"]

    @property
    def now(self) -> datetime:
        return self.time[0]

    def clock(self) -> datetime:
        return self.time[0]

    def wait(self, **length: float) -> None:
        """The clock moves."""
        self.time[0] += timedelta(**length)

    def insert(self, table: str, **columns: SqlValue) -> UUID:
        """A row with an id of its own; the organization is the default one."""
        given: dict[str, SqlValue] = {"id": uuid4(), "org_id": self.org}
        given |= columns
        names, values = ", ".join(given), ", ".join(f":{name}" for name in given)
        return UUID(str(one(self.db, f"insert into {table} ({names}) values ({values}) returning id", **given)["id"]))

    def person(self, name: str = "grace", **columns: SqlValue) -> UUID:
        """A colleague."""
        return self.insert("user_profiles", email=f"{name}@relay.example", **columns)

    def contact(self, name: str = "ada", **columns: SqlValue) -> UUID:
        """A contact with an address."""
        given: dict[str, SqlValue] = {"email": f"{name}@example.com", "first_name": name.title()}
        return self.insert("contacts", **(given | columns))

    def deal(self, name: str = "Engine", **columns: SqlValue) -> UUID:
        """A deal."""
        return self.insert("deals", name=name, **columns)

    def workflow(
        self, program: Program, *, owner: UUID | None = None, name: str = "Follow up", version: int = 1
    ) -> UUID:
        """A workflow whose version this is."""
        workflow = self.insert(
            "workflows", name=name, entity_type=program.entity_type.value, is_active=True, owner_id=owner
        )
        self.publish(workflow, program, version)
        return workflow

    def publish(self, workflow: UUID, program: Program, version: int = 1) -> None:
        """The version that is active."""
        rows_of(
            self.db,
            "insert into workflow_versions (workflow_id, version, org_id, entity_type, definition, program,"
            " source_hash, is_active, starts_from, published_at, published_by) values (:workflow, :version, :org,"
            " :entity, '{}', :program, 'test', :version = 1, :now, :now, 'test') returning version",
            workflow=workflow,
            version=version,
            org=self.org,
            entity=program.entity_type.value,
            program=Json(program_to_json(program)),
            now=self.now,
        )

    def start(
        self,
        workflow: UUID,
        entity_id: UUID,
        *,
        entity_type: str = "deal",
        event: Mapping[str, object] | None = None,
        version: int = 1,
        is_due: bool = True,
        **columns: SqlValue,
    ) -> UUID:
        """A run that is due now; `is_due` False: it waits behind another one."""
        instance = one(
            self.db,
            "insert into workflow_instances (org_id, workflow_id, entity_type, entity_id)"
            " values (:org, :workflow, :entity_type, :entity_id)"
            " on conflict (workflow_id, entity_type, entity_id) do update set updated_at = now() returning id",
            org=self.org,
            workflow=workflow,
            entity_type=entity_type,
            entity_id=entity_id,
        )["id"]
        return self.insert(
            "workflow_executions",
            instance_id=instance,
            workflow_id=workflow,
            version=version,
            entity_type=entity_type,
            entity_id=entity_id,
            status="pending",
            trigger_type="manual",
            trigger_event=Json(event or {}),
            start_key=f"manual:{uuid4()}",
            created_at=self.now,
            next_run_at=self.now if is_due else None,
            **columns,
        )

    def run(self, program: Program, entity_id: UUID | None = None, **columns: Any) -> UUID:
        """A workflow and a run of it, for a deal of its own where none is given."""
        owner = columns.pop("owner", None)
        return self.start(self.workflow(program, owner=owner), entity_id or self.deal(), **columns)

    def tick(self, *, db: Database | None = None, seconds: float = 600) -> RunReport:
        """Everything that is due, and its mail."""
        report = run_due(db or self.db, self.context, self.clock, Deadline.after(seconds))
        report.mail = self.send(db=db)
        return report

    def send(self, *, db: Database | None = None) -> SendReport:
        """Mail that waits in the ledger."""
        emails = Resend(HttpClient(self.sim.url, timeout=(2, 10), repeats=0), self.sim.api_key)
        return send_mail(db or self.db, emails, self.policy, self.clock, Deadline.after(600))

    def rows(self, sql: str, **values: SqlValue) -> list[Row]:
        return rows_of(self.db, sql, **values)

    def one(self, sql: str, **values: SqlValue) -> Row:
        return one(self.db, sql, **values)

    def execution(self, run: UUID) -> Row:
        """Its row."""
        return self.one("select * from workflow_executions where id = :id", id=run)

    def status(self, run: UUID) -> str:
        """Where it is."""
        return str(self.execution(run)["status"])

    def steps(self, run: UUID) -> list[tuple[str, str]]:
        """Key and status, in the order in which they were taken."""
        rows = self.rows(
            "select step_key, status from workflow_steps where execution_id = :id order by position", id=run
        )
        return [(row["step_key"], row["status"]) for row in rows]

    def results(self, run: UUID) -> list[Mapping[str, Any]]:
        """What the steps say."""
        rows = self.rows("select result from workflow_steps where execution_id = :id order by position", id=run)
        return [row["result"] for row in rows]

    def log(self, run: UUID) -> list[str]:
        """Its lines."""
        return [
            row["message"]
            for row in self.rows("select message from workflow_execution_logs where execution_id = :id", id=run)
        ]

    def activities(self) -> list[Row]:
        return self.rows("select * from activities order by created_at, id")

    def incidents(self) -> set[str]:
        """Kinds of those that are open."""
        return {row["kind"] for row in self.rows("select kind from incidents where closed_at is null")}

    def got(self, name: str = "ada") -> int:
        """How many mails Resend took for them."""
        return self.sim.sends[f"{name}@example.com"]

    def notified(self, user: UUID) -> Sequence[str]:
        """Titles of their notifications."""
        return [
            row["title"]
            for row in self.rows("select title from notifications where user_id = :id order by created_at", id=user)
        ]
