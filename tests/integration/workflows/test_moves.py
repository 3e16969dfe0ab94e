"""Runs that have begun go on in a new version: previewed, refused where their step is gone, their history kept."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.models import Program, WorkflowStep
from crm_relay.workflows.moving import move_runs as moving
from crm_relay.workflows.moving.move_runs import move_runs, preview_move
from crm_relay.workflows.operations.steer import RunChange, change_runs
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.processes.meanwhile import MeanwhileBefore
from tests.support.workflows.run_harness import RunHarness, chain, step

TASK = step("create_task", title="Call")
NOTE = step("create_activity", subject="Noted")
DAY = replace(step("wait", days=1), name="think it over")


def next_version(runs: RunHarness, workflow: UUID, *steps: WorkflowStep, **settings: Any) -> Program:
    """What is active from now on."""
    program = chain(*steps, **settings)
    newest = runs.one("select max(version) as newest from workflow_versions where workflow_id = :w", w=workflow)[
        "newest"
    ]
    runs.rows("update workflow_versions set is_active = false where workflow_id = :w returning version", w=workflow)
    runs.publish(workflow, program, newest + 1)
    runs.rows(
        "update workflow_versions set is_active = true where workflow_id = :w and version = :v returning version",
        w=workflow, v=newest + 1,
    )  # fmt: skip
    return program


def waiting(runs: RunHarness, *steps: WorkflowStep, number: int = 1) -> tuple[UUID, list[UUID]]:
    """A workflow and runs of it that wait."""
    workflow = runs.workflow(chain(*steps))
    started = [runs.start(workflow, runs.deal(f"D{n}")) for n in range(number)]
    runs.tick()
    return workflow, started


def moved(runs: RunHarness, workflow: UUID, **options: Any) -> int:
    return move_runs(runs.db, workflow, runs.now, who="ada", **options).moved


def test_a_run_that_waits_goes_on_in_the_new_version_at_its_own_time(runs: RunHarness) -> None:
    workflow, (run,) = waiting(runs, DAY, TASK)
    before = runs.execution(run)
    next_version(runs, workflow, NOTE, DAY, NOTE, TASK)
    preview = preview_move(runs.db, workflow)
    (found,) = preview.steps
    assert (preview.movable, preview.refused, found.step, found.to_step, found.waits_again) == (1, 0, "0", "1", False)
    assert runs.execution(run) == before, "a preview moves nothing"
    assert moved(runs, workflow) == 1
    after = runs.execution(run)
    assert (after["version"], after["current_step_index"], after["next_run_at"]) == (2, 1, before["next_run_at"])
    runs.wait(hours=23)
    runs.tick()
    assert runs.status(run) == "running"
    runs.wait(hours=2)
    runs.tick()
    assert runs.steps(run) == [("0", "completed"), ("2", "completed"), ("3", "completed")], "its history stays"
    assert "run moved" in runs.log(run)
    (line,) = runs.rows("select data from workflow_execution_logs where message = 'run moved'")
    assert line["data"] == {"by": "ada", "from_version": 1, "to_version": 2, "from_step": "0", "to_step": "1"}
    assert moved(runs, workflow) == 0


def test_a_wait_that_was_changed_is_counted_again_from_its_beginning(runs: RunHarness) -> None:
    workflow, (run,) = waiting(runs, DAY, TASK)
    began = runs.now
    runs.wait(hours=5)
    next_version(runs, workflow, replace(DAY, config={"hours": 7}), TASK)
    assert preview_move(runs.db, workflow).steps[0].waits_again
    moved(runs, workflow)
    assert runs.execution(run)["next_run_at"] == began + timedelta(hours=7)
    (wait,) = runs.rows("select wait_until from workflow_steps where execution_id = :id", id=run)
    assert wait["wait_until"] == began + timedelta(hours=7)
    runs.wait(hours=2)
    runs.tick()
    assert runs.status(run) == "completed"
    workflow, (late,) = waiting(runs, DAY, TASK)
    runs.wait(hours=5)
    next_version(runs, workflow, replace(DAY, config={"hours": 3}), TASK)
    moved(runs, workflow)
    runs.tick()
    assert runs.status(late) == "completed", "what is over by the new version is over"


@pytest.mark.parametrize(
    ("steps", "why"), [((TASK,), "step_of_another_kind"), ((NOTE, TASK, DAY), "step_gone")], ids=["kind", "gone"]
)
def test_nothing_is_moved_where_a_step_is_gone(runs: RunHarness, steps: tuple[WorkflowStep, ...], why: str) -> None:
    plain = step("wait", days=1)
    first = (plain, TASK) if why == "step_of_another_kind" else (NOTE, NOTE, NOTE, plain, TASK)
    workflow, (run, other) = waiting(runs, *first, number=2)
    next_version(runs, workflow, *steps)
    preview = preview_move(runs.db, workflow)
    assert (preview.movable, preview.refused, preview.steps[0].refused) == (0, 2, why)
    with pytest.raises(RejectedInput, match="cannot be moved") as refused:
        moved(runs, workflow)
    assert refused.value.status == 409
    assert why in refused.value.details[0]
    assert str(run) in refused.value.details[0]
    assert str(other) in refused.value.details[0]
    assert runs.execution(run)["version"] == 1


def test_an_operator_says_which_step_takes_the_place(runs: RunHarness) -> None:
    plain = step("wait", days=1)
    workflow, (run,) = waiting(runs, NOTE, plain, TASK)
    next_version(runs, workflow, NOTE, NOTE, NOTE, plain, TASK)
    with pytest.raises(RejectedInput, match="cannot be moved"):
        moved(runs, workflow)
    with pytest.raises(RejectedInput, match="has no step 9"):
        moved(runs, workflow, steps={"1": "9"})
    assert moved(runs, workflow, steps={"1": "3"}) == 1
    assert runs.execution(run)["current_step_index"] == 3


def test_paused_queued_failed_and_answered_runs_are_moved_and_those_that_are_over_stay(runs: RunHarness) -> None:
    workflow, (paused, ended) = waiting(runs, DAY, TASK, number=2)
    change_runs(runs.db, RunChange.PAUSE, runs.now, runs=[paused])
    change_runs(runs.db, RunChange.CANCEL, runs.now, runs=[ended])
    queued = runs.start(workflow, runs.deal("Q"), is_due=False)
    next_version(runs, workflow, replace(DAY, config={"hours": 3}), TASK)
    assert moved(runs, workflow) == 2
    assert (runs.status(paused), runs.status(queued), runs.status(ended)) == ("paused", "pending", "cancelled")
    assert runs.execution(paused)["next_run_at"] is None
    assert [runs.execution(each)["version"] for each in (paused, queued, ended)] == [2, 2, 1]
    runs.wait(hours=4)
    change_runs(runs.db, RunChange.RESUME, runs.now, runs=[paused])
    runs.tick()
    assert runs.status(paused) == "completed"


def test_a_run_that_waits_for_a_webhook_goes_on_with_its_answer(runs: RunHarness) -> None:
    hook = step("webhook", url="https://hooks.example.com/x")
    workflow, (run,) = waiting(runs, hook, TASK)
    next_version(runs, workflow, replace(hook, config={"url": "https://other.example.com/y"}), NOTE, TASK)
    assert moved(runs, workflow) == 1
    runs.rows("update workflow_webhooks set state = 'delivered', status_code = 200 returning id")
    runs.rows("update workflow_executions set next_run_at = :now returning id", now=runs.now)
    runs.tick()
    assert runs.steps(run) == [("0", "completed"), ("1", "completed"), ("2", "completed")]
    assert len(runs.rows("select from workflow_webhooks")) == 1


def test_some_runs_are_moved_alone(runs: RunHarness) -> None:
    workflow, (one, other) = waiting(runs, DAY, TASK, number=2)
    next_version(runs, workflow, DAY, NOTE)
    assert preview_move(runs.db, workflow, runs=[one]).movable == 1
    assert move_runs(runs.db, workflow, runs.now, who="ada", runs=[one]).moved == 1
    assert (runs.execution(one)["version"], runs.execution(other)["version"]) == (2, 1)


def test_a_workflow_without_a_version_is_refused(runs: RunHarness) -> None:
    workflow, _ = waiting(runs, DAY, TASK)
    runs.rows("update workflow_versions set is_active = false returning version")
    with pytest.raises(RejectedInput, match="no active version") as refused:
        preview_move(runs.db, workflow)
    assert refused.value.status == 409


def test_many_runs_are_moved_in_pages_of_the_same_cost(
    runs: RunHarness, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "MOST_AT_ONCE", 20)

    def statements(number: int) -> int:
        workflow, _ = waiting(runs, DAY, TASK, number=number)
        next_version(runs, workflow, replace(DAY, config={"days": 2}), TASK)
        with CountingProxy(database_url) as proxy:
            db = Database(proxy.url)
            done = move_runs(db, workflow, runs.now, who="ada")
            db.close()
        assert (done.moved, done.has_more) == (min(number, 20), number >= 20)
        return len(proxy.queries)

    assert statements(1) == statements(25)


def test_runs_that_cannot_be_moved_stand_before_nobody(runs: RunHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page in which every wait is refused is followed by the next one."""
    monkeypatch.setattr(moving, "MOST_AT_ONCE", 3)
    workflow, waits = waiting(runs, DAY, TASK, number=8)
    next_version(runs, workflow, replace(DAY, config={"days": 2}), TASK)
    ordered = runs.rows(
        "select id, instance_id from workflow_executions where workflow_id = :w order by instance_id", w=workflow
    )
    for row in ordered[:4]:
        runs.rows("update workflow_steps set started_at = '9999-12-31' where execution_id = :id", id=row["id"])
    moved, refused, after = 0, 0, None
    for _ in range(len(waits)):
        done = move_runs(runs.db, workflow, runs.now, who="ada", after=after)
        moved, refused, after = moved + done.moved, refused + len(done.refused), done.after
        if not done.has_more:
            break
    assert (moved, refused) == (4, 4)


def test_a_run_that_begins_to_wait_meanwhile_is_moved_with_its_wait(runs: RunHarness, database_url: str) -> None:
    """The move waits for the transaction that takes the run, and sees what that has left."""
    workflow = runs.workflow(chain(DAY, TASK))
    run = runs.start(workflow, runs.deal())
    next_version(runs, workflow, replace(DAY, config={"hours": 7}), TASK)
    engine = MeanwhileBefore(
        database_url, "insert into workflow_steps", lambda db: move_runs(db, workflow, runs.now, who="ada")
    )
    runs.tick(db=engine)
    engine.join()
    engine.close()
    after = runs.execution(run)
    assert (after["version"], after["next_run_at"]) == (2, runs.now + timedelta(hours=7))
    runs.wait(hours=7)
    runs.tick()
    assert runs.steps(run) == [("0", "completed"), ("1", "completed")]
