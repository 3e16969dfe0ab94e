"""Published workflows on the stage of events, and what is started of them."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import Json, SqlValue
from crm_relay.workflows.definition.program_json import program_to_json
from crm_relay.workflows.entities import topics_of
from crm_relay.workflows.models import (
    ConditionGroup,
    EntityType,
    Program,
    RecordCondition,
    StepKind,
    Trigger,
    TriggerKind,
    WorkflowSettings,
    WorkflowStep,
)
from crm_relay.workflows.starting.programs import Programs
from crm_relay.workflows.starting.scheduled.start_scheduled import ScheduleReport, start_scheduled
from crm_relay.workflows.starting.start_runs import StartReport, start_runs
from tests.support.workflows.event_stage import EventStage

WON = Trigger(TriggerKind.STATUS_CHANGE, becomes="won")
CREATED = Trigger(TriggerKind.CREATED)
NOTE = WorkflowStep("0", StepKind.CREATE_ACTIVITY, {"subject": "Noted"})
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def where(*conditions: tuple[str, str, object]) -> ConditionGroup:
    """All of these."""
    return ConditionGroup("all", tuple(RecordCondition(*each) for each in conditions))


@dataclass
class StartStage(EventStage):
    """`now` is the clock of whoever starts runs; that of events is the database's."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    programs: Programs = field(default_factory=Programs)

    def clock(self) -> datetime:
        return self.now

    def wait(self, **length: float) -> None:
        self.now += timedelta(**length)

    def publish(
        self,
        *triggers: Trigger,
        entity: EntityType = EntityType.DEAL,
        conditions: ConditionGroup | None = None,
        org: UUID | None = None,
        starts_from: datetime = LONG_AGO,
        initial_state: UUID | None = None,
        workflow: UUID | None = None,
        **settings: Any,
    ) -> UUID:
        """The workflow's id; the next version where it is there already."""
        program = Program(
            entity, triggers or (WON,), (NOTE,), conditions, WorkflowSettings(**settings), initial_state=initial_state
        )
        topics = {topic for trigger in program.triggers for topic in topics_of(entity, trigger)}
        if workflow is None:
            made = self.listen(entity.value, *topics, org=org)
        else:
            made = workflow
            self.execute("update workflow_versions set is_active = false where workflow_id = :id", id=made)
        for index, trigger in enumerate(program.triggers):
            if trigger.kind is TriggerKind.SCHEDULED:
                self.execute(
                    """insert into workflow_schedules (workflow_id, trigger_index, org_id, next_at)
                       values (:w, :i, :o, :n)""",
                    w=made,
                    i=index,
                    o=org or self.org,
                    n=self.now,
                )
        self.keep_version(made, org or self.org, entity, program_to_json(program), starts_from)
        return made

    def keep_version(self, workflow: UUID, org: UUID, entity: EntityType, program: object, starts: datetime) -> None:
        """As publishing does."""
        self.execute(
            """insert into workflow_versions
                   (workflow_id, version, org_id, entity_type, definition, program, source_hash, starts_from,
                    published_at, published_by)
               select :workflow, coalesce(max(version), 0) + 1, :org, :entity, '{}', :program, 'h', :starts, :starts,
                   'test'
               from workflow_versions where workflow_id = :workflow""",
            workflow=workflow,
            org=org,
            entity=entity.value,
            program=Json(program),
            starts=starts,
        )

    def start(self, *, db: Database | None = None, seconds: float = 600) -> StartReport:
        """One run of the starter with time enough."""
        return start_runs(db or self.db, self.programs, self.clock, Deadline.after(seconds))

    def start_scheduled(self, *, seconds: float = 600) -> ScheduleReport:
        """The same of schedules."""
        return start_scheduled(self.db, self.programs, self.clock, Deadline.after(seconds))

    def win(self, deal: UUID) -> None:
        self.update("deals", deal, status="won")

    def won_deal(self, **columns: SqlValue) -> UUID:
        """One that was open before."""
        deal = self.deal(**columns)
        self.win(deal)
        return deal

    def runs(self, workflow: UUID | None = None) -> list[Row]:
        return self.execute(
            """select * from workflow_executions where cast(:workflow as uuid) is null or workflow_id = :workflow
               order by event_id, start_key""",
            workflow=workflow,
        )

    def decisions(self, workflow: UUID | None = None) -> list[Row]:
        return self.execute(
            """select * from workflow_start_decisions where cast(:workflow as uuid) is null or workflow_id = :workflow
               order by id""",
            workflow=workflow,
        )

    def reasons(self, workflow: UUID | None = None) -> list[tuple[str, str | None]]:
        """Verdict and reason of each decision."""
        return [(row["verdict"], row["reason"]) for row in self.decisions(workflow)]

    def statuses(self) -> Counter[str]:
        return Counter(row["status"] for row in self.runs())

    def waiting_events(self) -> int:
        return sum(row["handled_at"] is None for row in self.events())


def trigger(kind: TriggerKind, **parts: Any) -> Trigger:
    """One of its kind."""
    return replace(Trigger(kind), **parts)
