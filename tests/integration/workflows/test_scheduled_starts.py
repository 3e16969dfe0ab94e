"""A schedule starts its workflow once an occurrence for every record that it means, on the clock of its zone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.platform.database import Database
from crm_relay.workflows.models import ReEntry, Trigger, TriggerKind
from crm_relay.workflows.starting.scheduled import start_scheduled
from crm_relay.workflows.starting.scheduled import store as schedules
from tests.support.workflows.start_stage import StartStage, trigger, where

MONDAY = datetime(2026, 3, 23, 8, tzinfo=UTC)
"""Nine in Berlin; clocks go forward on the Sunday that follows."""


@pytest.fixture
def stage(database: Database, database_url: str) -> StartStage:
    return StartStage(database, database_url, now=MONDAY)


def every(cron: str, zone: str = "UTC", **parts: Any) -> Trigger:
    return trigger(TriggerKind.SCHEDULED, cron=cron, zone=zone, **parts)


def next_at(stage: StartStage) -> datetime:
    moment: datetime = stage.execute("select next_at from workflow_schedules")[0]["next_at"]
    return moment


def occurrences(stage: StartStage) -> list[str]:
    return sorted({row["trigger_event"]["occurrence"] for row in stage.runs()})


def test_each_record_that_the_filter_means_starts_once_an_occurrence(stage: StartStage) -> None:
    stage.publish(
        every("0 9 * * MON", "Europe/Berlin", records=where(("status", "eq", "open"))),
        conditions=where(("value", "gte", 10)),
        re_entry=ReEntry.PARALLEL,
    )
    meant = {stage.deal(value=10), stage.deal(value=11)}
    stage.deal(value=1), stage.deal(value=10, status="won"), stage.deal(value=10, deleted_at=MONDAY)
    stage.deal(value=10, org_id=stage.other_org())
    done = stage.start_scheduled()
    assert (done.occurrences, done.started, done.is_finished) == (1, 2, True)
    assert {row["entity_id"] for row in stage.runs()} == meant
    assert {row["trigger_type"] for row in stage.runs()} == {"scheduled"}
    assert {row["start_key"] for row in stage.runs()} == {f"schedule:0:{MONDAY.isoformat()}:{each}" for each in meant}
    assert stage.reasons() == [("started", None)] * 2, "whom the schedule does not mean was not refused"
    # Summer time has begun.
    assert next_at(stage) == MONDAY + timedelta(days=7, hours=-1)
    assert stage.start_scheduled().pages == 0
    stage.now = next_at(stage)
    assert stage.start_scheduled().started == 2


def test_of_missed_occurrences_the_latest_is_made_up_for(stage: StartStage) -> None:
    stage.publish(every("0 9 * * *", "Europe/Berlin"), re_entry=ReEntry.PARALLEL)
    stage.deal()
    stage.start_scheduled()
    stage.now = datetime(2026, 4, 2, 12, tzinfo=UTC)
    done = stage.start_scheduled()
    assert (done.occurrences, done.started) == (1, 1)
    assert occurrences(stage) == [MONDAY.isoformat(), "2026-04-02T07:00:00+00:00"]
    assert next_at(stage) == datetime(2026, 4, 3, 7, tzinfo=UTC)


def test_a_schedule_of_every_minute_that_slept_for_a_year(stage: StartStage) -> None:
    stage.publish(every("* * * * *"), re_entry=ReEntry.PARALLEL)
    stage.deal()
    stage.start_scheduled()
    stage.wait(days=365)
    assert (stage.start_scheduled().started, next_at(stage)) == (1, stage.now + timedelta(minutes=1))


def test_an_occurrence_goes_on_where_it_stopped(stage: StartStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_scheduled, "PAGE", 3)
    stage.publish(every("0 * * * *"), re_entry=ReEntry.PARALLEL)
    deals = sorted(stage.deal() for _ in range(7))
    stage.execute(
        "update workflow_schedules set next_at = :at, after_id = :id", at=MONDAY + timedelta(hours=1), id=deals[2]
    )
    # The occurrence that was begun is finished, although later ones have passed.
    stage.wait(hours=5)
    done = stage.start_scheduled()
    found: dict[str, set[UUID]] = {}
    for row in stage.runs():
        found.setdefault(row["trigger_event"]["occurrence"], set()).add(row["entity_id"])
    assert found == {
        (MONDAY + timedelta(hours=1)).isoformat(): set(deals[3:]),
        (MONDAY + timedelta(hours=5)).isoformat(): set(deals),
    }
    assert done.occurrences == 2


def test_what_an_unclear_commit_repeats_starts_nothing_twice(stage: StartStage) -> None:
    stage.publish(every("0 * * * *"), re_entry=ReEntry.PARALLEL)
    stage.deal()
    stage.start_scheduled()
    stage.execute("update workflow_schedules set next_at = :at", at=MONDAY)
    assert (stage.start_scheduled().started, len(stage.runs())) == (0, 1)


def test_guards_hold_for_schedules_and_their_refusals_are_kept(stage: StartStage) -> None:
    stage.publish(every("0 * * * *"))
    stage.deal()
    stage.start_scheduled()
    stage.wait(hours=1)
    assert stage.start_scheduled().started == 0
    assert stage.reasons() == [("started", None), ("not_started", "re_entry")]


def test_a_record_that_cannot_be_started_is_left_out_alone(stage: StartStage) -> None:
    workflow = stage.publish(every("0 * * * *"), re_entry=ReEntry.PARALLEL)
    deals = [stage.deal() for _ in range(9)]
    poison = deals[4]
    stage.db.run_script(
        f"""create function refuse() returns trigger language plpgsql as $$
                begin
                    if new.entity_id = '{poison}' then raise 'no' using errcode = '23514'; end if;
                    return new;
                end $$;
            create trigger refuse before insert on workflow_executions for each row execute function refuse()"""
    )
    done = stage.start_scheduled()
    assert (done.failed, done.occurrences, done.is_finished) == (1, 1, True)
    assert {row["entity_id"] for row in stage.runs()} == set(deals) - {poison}
    assert [row["entity_id"] for row in stage.decisions() if row["reason"] == "failed"] == [poison]
    assert stage.incidents() == [("workflow_schedule_refused", f"{workflow}/0")]
    stage.db.run_script("drop trigger refuse on workflow_executions")
    stage.wait(hours=1)
    assert stage.start_scheduled().started == 9
    assert stage.incidents() == []


def test_a_schedule_whose_trigger_is_gone_is_removed(stage: StartStage) -> None:
    workflow = stage.publish(every("0 * * * *"))
    stage.publish(workflow=workflow)
    stage.deal()
    assert stage.start_scheduled().is_finished
    assert stage.execute("select from workflow_schedules") == []


def test_a_version_that_cannot_be_read_waits_with_an_incident(stage: StartStage) -> None:
    workflow = stage.publish(every("0 * * * *"))
    stage.execute("update workflow_versions set program = '{}'")
    assert stage.start_scheduled().is_finished
    assert next_at(stage) == MONDAY + timedelta(hours=1)
    assert stage.incidents() == [("workflow_unreadable", str(workflow))]


@pytest.mark.parametrize("is_unreadable", [True, False])
def test_schedules_that_start_nothing_stop_no_other(
    stage: StartStage, monkeypatch: pytest.MonkeyPatch, *, is_unreadable: bool
) -> None:
    stage.deal()
    for _ in range(3):
        bad = stage.publish(every("0 * * * *"))
        if is_unreadable:
            stage.execute("update workflow_versions set program = '{}' where workflow_id = :id", id=bad)
        else:
            stage.publish(workflow=bad)
    good = stage.publish(every("0 * * * *"))
    real = schedules.due_schedule

    def bad_first(db: Database, now: datetime) -> Any:
        """The order is by chance."""
        key = real(db, now)
        while key is not None and key[0] == good and len(due(now)) > 1:
            key = real(db, now)
        return key

    def due(now: datetime) -> list[Any]:
        return stage.execute("select from workflow_schedules where next_at <= :now", now=now)

    monkeypatch.setattr(schedules, "due_schedule", bad_first)
    assert (stage.start_scheduled().started, len(stage.runs(good))) == (1, 1)
