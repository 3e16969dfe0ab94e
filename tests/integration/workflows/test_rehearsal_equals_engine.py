"""A rehearsal says what the engine then does with the same events under the same clock, whatever the definition."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from crm_relay.workflows.models import (
    ConditionGroup,
    EntityType,
    Program,
    RecordCondition,
    ReEntry,
    StepKind,
    Trigger,
    TriggerKind,
    WorkflowSettings,
)
from tests.support.workflows.rehearsal_trials import BEGIN, RehearsalTrial, event_of, of_engine, of_rehearsal
from tests.support.workflows.run_harness import RunHarness, branch, step

_TABLES = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by relname"


def rows_by_table(runs: RunHarness) -> dict[str, int]:
    """How many there are."""
    counts = " union all ".join(
        f"select '{row['relname']}' as name, count(*)::integer as rows from \"{row['relname']}\""
        for row in runs.rows(_TABLES)
    )
    return {row["name"]: row["rows"] for row in runs.rows(counts)}


@pytest.mark.parametrize("seed", range(24))
def test_a_rehearsal_says_what_the_engine_does(runs: RunHarness, seed: int) -> None:
    trial = RehearsalTrial.drawn(runs, seed)
    before = rows_by_table(runs)
    said = of_rehearsal(trial.rehearse())
    assert rows_by_table(runs) == before, "a rehearsal writes nothing"
    trial.play()
    assert said == of_engine(runs)


def test_the_trials_reach_everything(runs: RunHarness) -> None:
    """What seeds above have in them: each gate, wait, branch and end."""
    reasons: set[str] = set()
    for seed in range(24):
        said = RehearsalTrial.drawn(runs, seed).rehearse()
        reasons |= {each.reason for each in said.starts.refused} | set(said.runs)
        reasons |= {step.kind for step in said.steps if step.completed}
        reasons |= {"paused" for day in said.days if day.paused} | ({"delayed"} if said.starts.delayed else set())
        reasons |= {"schedule"} if said.span.due_times else set()
        reasons |= {"queue"} if said.starts.queued else set()
        reasons |= {"restart"} if said.starts.replaced else set()
        runs.rows("delete from entity_events returning id")
        runs.rows("delete from workflows returning id")
        runs.rows("delete from user_profiles returning id")
    assert reasons >= {
        "trigger", "origin", "depth", "record_gone", "conditions", "cool_down", "re_entry", "paused", "delayed",
        "schedule", "queue", "restart", "completed", "cancelled", "running", "send_email", "create_task",
        "update_field", "wait", "condition", "webhook", "assign", "send_notification", "create_activity",
    }  # fmt: skip


def test_later_conditions_and_owners_see_what_the_draft_has_written(runs: RunHarness) -> None:
    """Within a run behind the write, and by the next start of the record; the colleague who owns it by then as well."""
    was, becomes = (runs.person(name) for name in ("was", "becomes"))
    deal = runs.deal(value=1, owner_id=was)
    steps = (
        step("update_field", field="value", value="7"),
        branch(ConditionGroup("all", (RecordCondition("value", "gte", 7),)), 2, None, "1"),
        step("assign", assignee_type="user", assignee_id=str(becomes)),
        branch(ConditionGroup("all", (RecordCondition("owner.email", "eq", "becomes@relay.example"),)), 4, None, "3"),
        step("create_task", title="Call"),
    )
    small = ConditionGroup("all", (RecordCondition("value", "lt", 5),))
    placed = tuple(
        each
        if each.kind is StepKind.CONDITION
        else replace(each, key=str(place), next=place + 1 if place < 4 else None)
        for place, each in enumerate(steps)
    )
    program = Program(EntityType.DEAL, (Trigger(TriggerKind.EVENT, event="signed"),), placed, small)
    trial = RehearsalTrial(runs, program, [event_of(deal, BEGIN + timedelta(hours=each)) for each in (1, 2)])
    said = trial.rehearse()
    assert [(each.step, each.to) for each in said.effects] == [
        ("0", ("value",)), ("2", ("owner_id",)), ("4", (str(becomes),)),
    ]  # fmt: skip
    assert [(each.reason, each.starts) for each in said.starts.refused] == [("conditions", 1)]
    trial.play()
    assert of_rehearsal(said) == of_engine(runs)


def test_schedules_are_due_as_the_clock_of_their_zone_has_it(runs: RunHarness) -> None:
    """Half past two is left out on the Sunday on which clocks go forward, and shown twice where they go back."""
    runs.deal(value=9, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    runs.deal(value=1, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    big = ConditionGroup("all", (RecordCondition("value", "gt", 5),))
    triggers = (
        Trigger(TriggerKind.SCHEDULED, cron="30 2 * * *", zone="Europe/Berlin", records=big),
        Trigger(TriggerKind.SCHEDULED, cron="15 * * * *", zone="Europe/Berlin", records=big),
    )
    note = (replace(step("create_activity", subject="Noted"), key="0"),)
    program = Program(EntityType.DEAL, triggers, note, settings=WorkflowSettings(re_entry=ReEntry.PARALLEL))
    for begin, hours in ((datetime(2026, 3, 28, 23, tzinfo=UTC), 3), (datetime(2026, 10, 24, 22, tzinfo=UTC), 4)):
        trial = RehearsalTrial(runs, program, begin=begin, end=begin + timedelta(hours=hours))
        said = trial.rehearse()
        trial.play()
        assert of_rehearsal(said) == of_engine(runs)
        assert said.span.due_times == said.starts.started == hours + 1, "once at half past two, and every hour"
        runs.rows("delete from workflows returning id")
        runs.rows("delete from workflow_start_decisions returning id")
