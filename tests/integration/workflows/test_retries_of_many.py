"""Failed runs are retried in bulk, by workflow and by error, and beside newer runs as the workflow says."""

from typing import Any
from uuid import UUID

import pytest

from crm_relay.workflows.models import ReEntry
from crm_relay.workflows.operations.steer import RunChange, change_runs, failed_runs
from tests.support.workflows.run_harness import RunHarness, chain, step

NO_DATE = step("create_task", title="Call", due_date="{{deal.name}}")
NO_COLLEAGUE = step("create_task", title="Call", assignee_id="{{deal.name}}")


def failed(runs: RunHarness, broken: Any = NO_DATE, number: int = 1, **settings: Any) -> tuple[UUID, list[UUID]]:
    workflow = runs.workflow(chain(step("create_activity", subject="x"), broken, **settings))
    started = [runs.start(workflow, runs.deal(f"D{n}")) for n in range(number)]
    runs.tick()
    assert {runs.status(run) for run in started} == {"failed"}
    return workflow, started


def test_what_failed_is_shown_by_step_and_error_before_it_is_retried(runs: RunHarness) -> None:
    dates, many = failed(runs, number=3)
    colleagues, (one,) = failed(runs, NO_COLLEAGUE)
    found = failed_runs(runs.db)
    assert [(each.workflow_id, each.step, each.number) for each in found] == [(dates, "1", 3), (colleagues, "1", 1)]
    assert set(found[0].runs) == set(many)
    assert [each.runs for each in failed_runs(runs.db, workflow_id=colleagues)] == [(one,)]
    assert failed_runs(runs.db, org_id=UUID(int=5)) == []


def test_runs_that_failed_for_one_reason_are_retried_alone(runs: RunHarness) -> None:
    workflow, many = failed(runs, number=3)
    runs.rows("update workflow_executions set error_message = 'other' where id = :id returning id", id=many[0])
    error = next(each.error for each in failed_runs(runs.db) if each.number == 2)
    done = change_runs(runs.db, RunChange.RETRY, runs.now, workflow_id=workflow, error=error)
    assert set(done.changed) == set(many[1:])
    assert runs.status(many[0]) == "failed"
    runs.rows("update deals set name = '2026-12-24' returning id")
    runs.tick()
    assert [runs.status(run) for run in many] == ["failed", "completed", "completed"]
    assert len([row for row in runs.activities() if row["type"] == "note"]) == 3, "nothing is repeated"


@pytest.mark.parametrize(
    ("re_entry", "refused", "status"),
    [
        (ReEntry.SKIP, True, "failed"),
        (ReEntry.RESTART, True, "failed"),
        (ReEntry.QUEUE, False, "pending"),
        (ReEntry.PARALLEL, False, "running"),
    ],
)
def test_a_retry_beside_a_newer_run_respects_re_entry(
    runs: RunHarness, re_entry: ReEntry, refused: bool, status: str
) -> None:
    workflow, (run,) = failed(runs, re_entry=re_entry)
    deal = runs.execution(run)["entity_id"]
    newer = runs.start(workflow, deal)
    done = change_runs(runs.db, RunChange.RETRY, runs.now, runs=[run])
    assert (done.refused, runs.status(run)) == ({run: "re_entry"} if refused else {}, status)
    if re_entry is ReEntry.QUEUE:
        assert runs.execution(run)["next_run_at"] is None
        runs.rows("update deals set name = '2026-12-24' returning id")
        runs.tick()
        assert [runs.status(each) for each in (run, newer)] == ["completed", "completed"]
    if refused:
        change_runs(runs.db, RunChange.CANCEL, runs.now, runs=[newer])
        assert change_runs(runs.db, RunChange.RETRY, runs.now, runs=[run]).changed == (run,)


def test_of_two_failed_runs_of_a_record_one_is_retried(runs: RunHarness) -> None:
    workflow, (run,) = failed(runs)
    other = runs.start(workflow, runs.execution(run)["entity_id"])
    runs.tick()
    done = change_runs(runs.db, RunChange.RETRY, runs.now, workflow_id=workflow)
    assert (len(done.changed), set(done.refused.values())) == (1, {"re_entry"})
    assert {*done.changed, *done.refused} == {run, other}
