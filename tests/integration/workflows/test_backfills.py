"""A backfill starts what is there already: previewed, paced, stopped and resumed, each record once."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.backfill import start_backfills as backfills
from crm_relay.workflows.backfill.order import (
    give_up_backfill,
    list_backfills,
    order_backfill,
    resume_backfill,
    stop_backfill,
)
from crm_relay.workflows.backfill.preview import preview_backfill
from crm_relay.workflows.models import EffectBudget, TriggerKind
from crm_relay.workflows.operations.steer import pause_workflow
from crm_relay.workflows.starting.programs import Programs
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.workflows.start_stage import StartStage, trigger, where


@pytest.fixture
def stage(database: Database, database_url: str) -> StartStage:
    return StartStage(database, database_url)


def fill(stage: StartStage, db: Database | None = None) -> int:
    """One round; how many runs it started."""
    return backfills.start_backfills(db or stage.db, Programs(), stage.clock, Deadline.after(600)).started


def won_deals(stage: StartStage, number: int) -> set[UUID]:
    stage.execute(
        "insert into deals (org_id, name, status, value) select :org, 'D', 'won', 5 from generate_series(1, :number)",
        org=stage.org, number=number,
    )  # fmt: skip
    return {row["id"] for row in stage.execute("select id from deals where status = 'won'")}


def test_ten_thousand_records_are_previewed_started_stopped_and_resumed_each_once(stage: StartStage) -> None:
    won = won_deals(stage, 10_000)
    stage.deal(status="open")
    workflow = stage.publish(starts_per_minute=6_000, budget=EffectBudget(records=4_000))
    preview = preview_backfill(stage.db, workflow, stage.now)
    assert (preview.looked_at, preview.matching, preview.had_runs, preview.is_cut) == (10_001, 10_000, 0, False)
    assert (preview.minutes, len(preview.examples), preview.starts.started) == (3.3, 10, 10_000)
    assert max(day.records for day in preview.days) == preview.budget.records == 4_000
    assert preview.days[0].paused == "records"
    assert stage.runs() == [], "a preview starts nothing"
    order_backfill(stage.db, workflow, stage.now, who="ada")
    assert fill(stage) == 3_000, "half of the bucket"
    assert fill(stage) == 0, "the pace holds the rest back"
    assert stop_backfill(stage.db, workflow, stage.now, who="ada").state == "stopped"
    stage.wait(minutes=5)
    assert fill(stage) == 0
    assert resume_backfill(stage.db, workflow, stage.now, who="ada").state == "running"
    for _ in range(10):
        fill(stage)
        stage.wait(seconds=31)
    (said,) = list_backfills(stage.db, workflow)
    assert (said.state, said.looked_at, said.started, said.refused, said.failed) == ("completed", 10_001, 10_000, 0, 0)
    assert Counter(row["entity_id"] for row in stage.runs(workflow)) == Counter(won)
    origins = {
        (row["trigger_type"], row["trigger_event"]["origin"], row["trigger_event"]["by"]) for row in stage.runs()
    }
    assert origins == {("manual", "backfill", "ada")}
    # Another one finds nobody who was left out.
    again = preview_backfill(stage.db, workflow, stage.now)
    assert (again.matching, again.had_runs) == (0, 10_000)
    order_backfill(stage.db, workflow, stage.now, who="ada")
    stage.wait(minutes=5)
    assert fill(stage) == 0
    assert list_backfills(stage.db, workflow)[0].had_runs == 10_000


def test_starts_by_events_have_their_room_meanwhile(stage: StartStage) -> None:
    workflow = stage.publish(starts_per_minute=10)
    won_deals(stage, 20)
    stage.execute("delete from entity_events")
    order_backfill(stage.db, workflow, stage.now, who="ada")
    assert fill(stage) == 5
    late = stage.won_deal()
    stage.start()
    (run,) = [row for row in stage.runs(workflow) if row["entity_id"] == late]
    assert run["next_run_at"] == stage.now


@pytest.mark.parametrize(
    ("parts", "meant"),
    [
        ({"triggers": [trigger(TriggerKind.STATUS_CHANGE, becomes="won")]}, {"won"}),
        ({"triggers": [trigger(TriggerKind.FIELD_CHANGE, column="stage", becomes="late")]}, {"late"}),
        ({"triggers": [trigger(TriggerKind.CREATED)]}, {"won", "late", "small"}),
        ({"triggers": [trigger(TriggerKind.FIELD_CHANGE, column="value")]}, {"won", "late", "small"}),
        ({"triggers": [trigger(TriggerKind.CREATED)], "conditions": where(("value", "gt", 5))}, {"won", "late"}),
        (
            {"triggers": [trigger(TriggerKind.SCHEDULED, cron="0 9 * * *", records=where(("stage", "eq", "late")))]},
            {"late"},
        ),
    ],
)  # fmt: skip
def test_a_backfill_is_for_records_that_are_as_a_trigger_makes_them(
    stage: StartStage, parts: dict[str, Any], meant: set[str]
) -> None:
    deals = {
        "won": stage.deal(status="won", value=9),
        "late": stage.deal(stage="late", value=9),
        "small": stage.deal(value=1),
    }
    stage.deal(status="won", stage="late", value=9, deleted_at=stage.now)
    stage.deal(status="won", stage="late", value=9, org_id=stage.other_org())
    workflow = stage.publish(*parts["triggers"], conditions=parts.get("conditions"))
    assert set(preview_backfill(stage.db, workflow, stage.now).examples) == {deals[name] for name in meant}
    order_backfill(stage.db, workflow, stage.now, who="ada")
    fill(stage)
    assert {row["entity_id"] for row in stage.runs(workflow)} == {deals[name] for name in meant}


def test_another_version_stops_it_until_somebody_resumes_it(stage: StartStage) -> None:
    workflow = stage.publish(starts_per_minute=2)
    won_deals(stage, 3)
    order_backfill(stage.db, workflow, stage.now, who="ada")
    assert fill(stage) == 1
    stage.publish(workflow=workflow, starts_per_minute=500)
    stage.wait(minutes=5)
    assert fill(stage) == 0
    (said,) = list_backfills(stage.db, workflow)
    assert (said.state, said.reason, said.version) == ("stopped", "another_version", 1)
    assert resume_backfill(stage.db, workflow, stage.now, who="ada").version == 2
    assert fill(stage) == 2
    assert list_backfills(stage.db, workflow)[0].state == "completed"


def test_a_paused_workflow_is_not_filled(stage: StartStage) -> None:
    workflow = stage.publish()
    won_deals(stage, 3)
    order_backfill(stage.db, workflow, stage.now, who="ada")
    pause_workflow(stage.db, workflow, stage.now)
    assert fill(stage) == 0
    stage.execute("update workflows set paused_at = null where id = :id", id=workflow)
    stage.wait(minutes=2)
    assert fill(stage) == 3


def test_one_backfill_of_a_workflow_is_open_at_a_time(stage: StartStage) -> None:
    workflow = stage.publish()
    with pytest.raises(RejectedInput, match="not published") as refused:
        order_backfill(stage.db, uuid4(), stage.now, who="ada")
    assert refused.value.status == 409
    for steer in (stop_backfill, resume_backfill):
        with pytest.raises(RejectedInput, match="open"):
            steer(stage.db, workflow, stage.now, who="ada")
    order_backfill(stage.db, workflow, stage.now, who="ada")
    with pytest.raises(RejectedInput, match="not completed"):
        order_backfill(stage.db, workflow, stage.now, who="ada")
    assert give_up_backfill(stage.db, workflow, stage.now).reason == "given_up"
    with pytest.raises(RejectedInput, match="open"):
        give_up_backfill(stage.db, workflow, stage.now)
    order_backfill(stage.db, workflow, stage.now, who="ada")


def test_a_page_costs_the_same_however_many_records_it_starts(stage: StartStage, database_url: str) -> None:
    workflow = stage.publish(starts_per_minute=10_000)

    def statements(number: int) -> int:
        won_deals(stage, number)
        order_backfill(stage.db, workflow, stage.now, who="ada")
        with CountingProxy(database_url) as proxy:
            db = Database(proxy.url)
            assert fill(stage, db) == number
            db.close()
            stage.wait(minutes=5)
            return len(proxy.queries)

    few = statements(3)
    assert statements(300) == few


def test_what_waits_for_the_next_minute_is_looked_at_then(stage: StartStage) -> None:
    workflow = stage.publish(starts_per_minute=1)
    won_deals(stage, 3)
    order_backfill(stage.db, workflow, stage.now, who="ada")
    started = []
    for _ in range(8):
        started.append(fill(stage))
        stage.wait(seconds=30)
    assert (sum(started), max(started)) == (3, 1)
    assert list_backfills(stage.db, workflow)[0].completed_at is not None
    assert stage.now - list_backfills(stage.db, workflow)[0].created_at < timedelta(minutes=5)
