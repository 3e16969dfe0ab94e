"""Random workflows over random events: what a rehearsal says of them, and what the engine does with the same ones."""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from crm_relay.platform.clock import Deadline
from crm_relay.platform.sql import Json
from crm_relay.rules.record_conditions import ConditionGroup, RecordCondition
from crm_relay.workflows.engine.run_due import run_due
from crm_relay.workflows.models import (
    EffectBudget,
    EntityType,
    Program,
    ReEntry,
    StepKind,
    Trigger,
    TriggerKind,
    WorkflowSettings,
    WorkflowStep,
)
from crm_relay.workflows.operations.steer import resume_workflow
from crm_relay.workflows.rehearsal.models import Rehearsal
from crm_relay.workflows.rehearsal.rehearse import ALWAYS, RehearsalSubject, rehearse_subject
from crm_relay.workflows.starting.models import StartableVersion
from crm_relay.workflows.starting.programs import Programs
from crm_relay.workflows.starting.scheduled.occurrences import occurrence_after
from crm_relay.workflows.starting.scheduled.start_scheduled import start_scheduled
from crm_relay.workflows.starting.start_runs import start_runs
from tests.support.workflows.run_harness import RunHarness

BEGIN = datetime(2026, 10, 20, 9, 30, tzinfo=UTC)
END = BEGIN + timedelta(days=12)
_STAGES = ("open", "proposal", "won")
_NUMBER = """
    with made as (
        update workflow_executions run
        set id = cast('00000000-0000-0000-0000-' || to_char(former.place, 'FM000000000000') as uuid)
        from (
            select id, cast(:number as bigint) + row_number() over (order by entity_id) as place
            from workflow_executions
            where id > '00000000-0000-0001-0000-000000000000'
        ) former
        where former.id = run.id
        returning former.id as former, run.id
    )
    update workflow_start_decisions decision
    set execution_id = made.id
    from made
    where decision.execution_id = made.former
    returning made.id
"""
_BIG = ConditionGroup("all", (RecordCondition("value", "gte", 5),))
_ANSWER = """
    with answered as (
        update workflow_webhooks set state = 'delivered', status_code = 200 where state = 'waiting' returning id
    )
    update workflow_executions set next_run_at = :now
    where waits_for = 'webhook' and waits_for_id in (select id from answered)
    returning id
"""


def random_program(chance: random.Random, user: UUID) -> Program:
    """Triggers, conditions, settings and steps of every kind, with branches and waits."""
    triggers = chance.sample(
        [
            Trigger(TriggerKind.CREATED),
            Trigger(TriggerKind.STATUS_CHANGE, column="stage", becomes="won"),
            Trigger(TriggerKind.STATUS_CHANGE, column="stage"),
            Trigger(TriggerKind.FIELD_CHANGE, column="value"),
            Trigger(TriggerKind.FIELD_CHANGE, column="value", was="5"),
            Trigger(TriggerKind.EVENT, event="signed"),
            # In Berlin the clock shows half past two twice on 25 October.
            Trigger(TriggerKind.SCHEDULED, cron="30 2 * * *", zone="Europe/Berlin"),
            Trigger(TriggerKind.SCHEDULED, cron="*/45 1-3 * * SUN", zone="America/New_York", records=_BIG),
        ],
        chance.randint(1, 3),
    )
    steps: list[WorkflowStep] = []
    for place in range(number := chance.randint(1, 7)):
        kind, config, more = _step(chance, user)
        after = place + 1 if place + 1 < number else None
        steps.append(WorkflowStep(str(place), kind, config, next=after, **_ways(chance, more, place, number)))
    settings = WorkflowSettings(
        re_entry=chance.choice(list(ReEntry)),
        cool_down=chance.choice((None, None, timedelta(hours=5), timedelta(days=2))),
        starts_per_minute=chance.choice((1, 1, 2, 500)),
        budget=chance.choice((EffectBudget(), EffectBudget(), EffectBudget(emails=2), EffectBudget(records=3))),
        origins=chance.choice((frozenset(), frozenset({"import"}))),
        max_depth=chance.choice((0, 5)),
    )
    conditions = chance.choice((None, ConditionGroup("all", (RecordCondition("value", "gte", 4),))))
    return Program(EntityType.DEAL, tuple(triggers), tuple(steps), conditions, settings)


def _ways(chance: random.Random, more: dict[str, Any], place: int, number: int) -> dict[str, Any]:
    if "otherwise" in more:
        later = [None, *range(place + 1, number)]
        return more | {"otherwise": chance.choice(later)}
    return more


def _step(chance: random.Random, user: UUID) -> tuple[StepKind, dict[str, Any], dict[str, Any]]:
    big = ConditionGroup("all", (RecordCondition("value", "gt", chance.randint(1, 9)),))
    ask: dict[str, Any] = {"ask_again": big} if chance.random() < 0.2 else {}
    wait: dict[str, Any] = chance.choice(
        (
            {"minutes": chance.randint(1, 90)},
            {"hours": chance.randint(1, 30)},
            {"days": chance.randint(1, 9), "at": "08:15", "zone": "Europe/Berlin"},
            {"business_hours": True, "zone": "America/New_York"},
            {"until": "+2 business days"},
        )
    )
    signed = {"until_event": "signed", "days": chance.choice((1, 2, 9))}
    kinds: list[tuple[StepKind, dict[str, Any], dict[str, Any]]] = [
        (StepKind.CREATE_TASK, {"title": "Call {{deal.name}}"}, ask),
        (StepKind.SEND_EMAIL, {"subject": "{{deal.name}}", "text": "{{event.stage|new}}"}, ask),
        (StepKind.SEND_NOTIFICATION, {"user_id": str(user), "title": "{{deal.name}}", "message": "x"}, ask),
        (StepKind.UPDATE_FIELD, {"field": "name", "value": "{{deal.name}}!"}, ask),
        (StepKind.CREATE_ACTIVITY, {"subject": "{{deal.name}}"}, ask),
        (StepKind.WEBHOOK, {"url": "https://hooks.example.com/x", "wait_for_answer": chance.random() < 0.6}, ask),
        (StepKind.ASSIGN, {"assignee_type": "user", "assignee_id": str(user)}, ask),
        (StepKind.WAIT, wait, {}),
        (StepKind.WAIT, signed, {"branches": True, "otherwise": None}),
        (StepKind.CONDITION, {}, {"conditions": big, "otherwise": None}),
    ]
    return chance.choice(kinds)


@dataclass
class RehearsalTrial:
    """A workflow, and what happens between two points in time that it may hear of."""

    runs: RunHarness
    program: Program
    events: list[dict[str, Any]] = field(default_factory=list)
    begin: datetime = BEGIN
    end: datetime = END
    workflow: UUID = field(init=False)

    def __post_init__(self) -> None:
        self.runs.time[0] = self.begin
        self.workflow = self.runs.workflow(self.program)
        self.runs.rows("update workflow_versions set starts_from = '2020-01-01Z' returning version")
        for place, each in enumerate(self.program.triggers):
            if each.kind is TriggerKind.SCHEDULED:
                self._schedule(place, each)
        for event in self.events:
            self._happen(event)

    @classmethod
    def drawn(cls, runs: RunHarness, seed: int) -> "RehearsalTrial":
        """Some deals, what happened to them, and a workflow about it."""
        chance = random.Random(seed)
        user = runs.person()
        contacts = [runs.contact(f"c{number}") for number in range(3)]
        deals = [
            runs.deal(
                f"D{number}",
                value=chance.randint(1, 9),
                lead_contact_id=chance.choice([*contacts, None]),
                created_at=BEGIN,
            )
            for number in range(3)
        ]
        program = random_program(chance, user)
        events, at = [], BEGIN
        for _ in range(chance.randint(20, 35)):
            pause = chance.choice((0.4, 0.4, 2, 7, 50, 400, 9000, 40_000))
            at += timedelta(seconds=pause, microseconds=chance.randint(1, 999))
            events.append(_drawn_event(chance, chance.choice([*deals, *deals, uuid4()]), at))
        return cls(runs, program, events)

    def _schedule(self, place: int, each: Trigger) -> None:
        self.runs.rows(
            "insert into workflow_schedules (workflow_id, trigger_index, org_id, next_at)"
            " values (:workflow, :place, :org, :at) returning next_at",
            workflow=self.workflow, place=place, org=self.runs.org, at=occurrence_after(each, self.begin),
        )  # fmt: skip

    def _happen(self, event: dict[str, Any]) -> None:
        self.runs.rows(
            "insert into entity_events (org_id, entity_type, entity_id, kind, topic, changed, origin, depth,"
            " occurred_at) values (:org, 'deal', :deal, :kind, :topic, :changed, :origin, :depth, :at) returning id",
            org=self.runs.org,
            **event,
        )

    def rehearse(self) -> Rehearsal:
        version = StartableVersion(self.workflow, 1, self.runs.org, "deal", ALWAYS, self.program)
        subject = RehearsalSubject(version, "Follow up", self.program, ())
        return rehearse_subject(self.runs.db, subject, self.end, since=self.begin, most_effects=100_000)

    def play(self) -> None:
        """The engine at every moment at which anything is due; a budget that is used up is renewed at midnight."""
        programs, numbers = Programs(), 0
        self.runs.rows("delete from entity_events returning id")
        while (moment := self._next()) is not None and moment <= self.end:
            self.runs.time[0] = max(moment, self.runs.now)
            self._resume()
            while self.events and self.events[0]["at"] <= self.runs.now:
                self._happen(self.events.pop(0))
            for start in (start_runs, start_scheduled):
                start(self.runs.db, programs, self.runs.clock, Deadline.after(600))
                # Runs that are due at one moment come in the order of their ids, which are random.
                numbers += len(self.runs.rows(_NUMBER, number=numbers))
            self.runs.rows(
                "update workflow_executions set created_at = :now where created_at > :now returning id",
                now=self.runs.now,
            )
            run_due(self.runs.db, self.runs.context, self.runs.clock, Deadline.after(600))
            while self.runs.rows(_ANSWER, now=self.runs.now):
                run_due(self.runs.db, self.runs.context, self.runs.clock, Deadline.after(600))

    def _resume(self) -> None:
        paused = self.runs.one("select paused_at from workflows")["paused_at"]
        if paused is not None and self.runs.now.date() > paused.astimezone(UTC).date():
            resume_workflow(self.runs.db, self.workflow, self.runs.now)

    def _next(self) -> datetime | None:
        found = self.runs.one(
            "select (select min(next_run_at) from workflow_executions) as run,"
            " (select paused_at from workflows) as paused,"
            " (select min(next_at) from workflow_schedules) as scheduled"
        )
        due = found["run"]
        if due is not None and found["paused"] is not None:
            midnight = found["paused"].astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            due = max(due, midnight + timedelta(days=1))
        event = self.events[0]["at"] if self.events else None
        return min((each for each in (event, due, found["scheduled"]) if each is not None), default=None)


def event_of(deal: UUID, at: datetime, topic: str = "event:signed", **parts: Any) -> dict[str, Any]:
    """A row of `entity_events`."""
    kind = {"+": "created"}.get(topic, "event" if topic.startswith("event:") else "changed")
    plain = {"deal": deal, "kind": kind, "topic": topic, "changed": Json({}), "origin": None, "depth": 0, "at": at}
    return plain | parts


def _drawn_event(chance: random.Random, deal: UUID, at: datetime) -> dict[str, Any]:
    topic, changed = chance.choice(
        [
            ("+", {"stage": [None, chance.choice(_STAGES)]}),
            ("stage", {"stage": chance.sample(_STAGES, 2)}),
            ("stage", {"stage": ["proposal", "won"], "value": [5, 6]}),
            ("value", {"value": [chance.randint(4, 6), chance.randint(1, 9)]}),
            ("event:signed", {}),
        ]
    )
    origin, depth = chance.choice((None, None, None, "import")), chance.choice((0, 0, 0, 1))
    return event_of(deal, at, topic, changed=Json(changed), origin=origin, depth=depth)


def of_engine(runs: RunHarness) -> dict[str, Any]:
    """What the engine did, in the words of `of_rehearsal`."""
    decisions = runs.rows("select verdict, reason from workflow_start_decisions")
    steps = runs.rows(
        "select step_key, step_type, step.status, step.started_at, step.completed_at, run.entity_id"
        " from workflow_steps step join workflow_executions run on run.id = step.execution_id"
        " where coalesce(step.result ->> 'reason', '') not in ('restarted', 'record_gone')"
    )
    spent = runs.rows(
        "select (step.started_at at time zone 'UTC')::date as day,"
        " case action.action_type when 'send_email' then 'emails' else 'records' end as kind"
        " from workflow_steps step join workflow_actions action on action.step_id = step.id"
        " where step.status = 'completed'"
        " and action.action_type in ('send_email', 'create_task', 'create_activity', 'update_field', 'assign')"
    )
    return {
        "started": sum(row["verdict"] != "not_started" for row in decisions),
        "queued": sum(row["verdict"] == "queued" for row in decisions),
        "refused": Counter(row["reason"] for row in decisions if row["verdict"] == "not_started"),
        "steps": Counter((row["step_key"], row["status"]) for row in steps if row["status"] != "waiting"),
        "days": Counter(
            (row["step_key"], row["completed_at"].astimezone(UTC).date().isoformat())
            for row in steps
            if row["status"] == "completed"
        ),
        "spent": Counter((row["day"].isoformat(), row["kind"]) for row in spent),
        "effects": {
            (row["started_at"], row["step_key"], row["entity_id"])
            for row in steps
            if row["step_type"] == "action" and row["status"] in {"completed", "waiting"}
        },
        "ended": Counter(
            row["status"]
            for row in runs.rows(
                "select status from workflow_executions where status in ('completed', 'failed', 'cancelled')"
            )
        ),
    }


def of_rehearsal(said: Rehearsal) -> dict[str, Any]:
    """What was said of it."""
    steps = Counter[tuple[str, str]]()
    for step in said.steps:
        for status in ("completed", "skipped", "failed"):
            steps[step.key, status] += getattr(step, status)
    days = Counter({(step.key, day): number for step in said.steps for day, number in step.by_day.items()})
    spent = Counter(
        {(day.day.isoformat(), kind): getattr(day, kind) for day in said.days for kind in ("emails", "records")}
    )
    return {
        "started": said.starts.started,
        "queued": said.starts.queued,
        "refused": Counter({each.reason: each.starts for each in said.starts.refused}),
        "steps": +steps,
        "days": days,
        "spent": +spent,
        "effects": {(each.at, each.step, each.entity_id) for each in said.effects},
        "ended": Counter({name: number for name, number in said.runs.items() if name not in {"running", "queued"}}),
    }
