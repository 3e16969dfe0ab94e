"""What workflows keep goes when its time is over, and nothing that waits goes at all."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.parts import Parts
from crm_relay.workflows.operations.retention import WorkflowRetention, remove_old
from tests.support.platform.rows import parse
from tests.support.workflows.run_harness import RunHarness, chain, step

KEPT = WorkflowRetention(logs=90, runs=365)


def remove(runs: RunHarness, *, seconds: float = 600) -> dict[str, int]:
    return dict(remove_old(runs.db, runs.now, Deadline.after(seconds), KEPT, Parts()))


def a_run_that_is_over(runs: RunHarness) -> UUID:
    """With a task, a mail, and lines of the log."""
    deal = runs.deal(lead_contact_id=runs.contact())
    run = runs.run(chain(step("create_task", title="x"), step("send_email", subject="a", text="b")), deal)
    runs.tick()
    return run


def decide(runs: RunHarness) -> None:
    runs.rows(
        "insert into workflow_start_decisions (org_id, workflow_id, entity_type, entity_id, verdict, decided_at)"
        " select org_id, id, 'deal', gen_random_uuid(), 'not_started', :now from workflows returning id",
        now=runs.now,
    )


def happen(runs: RunHarness, *, handled: bool) -> None:
    runs.rows(
        "insert into entity_events (org_id, entity_type, entity_id, kind, topic, occurred_at, handled_at)"
        " values (:org, 'deal', gen_random_uuid(), 'changed', 'stage', :now, :handled) returning id",
        org=runs.org,
        now=runs.now,
        handled=runs.now if handled else None,
    )


@pytest.mark.parametrize(("days", "logs", "decisions", "left"), [(29, False, False, True), (31, False, True, True)])
def test_each_kind_has_its_time(runs: RunHarness, days: int, *, logs: bool, decisions: bool, left: bool) -> None:
    run = a_run_that_is_over(runs)
    decide(runs)
    runs.wait(days=days)

    removed = remove(runs)

    assert ("workflow_start_decisions" in removed) == decisions
    assert ("workflow_execution_logs" in removed) == logs
    assert (runs.steps(run) != []) == left


def test_lines_go_before_their_run_and_the_run_with_its_steps(runs: RunHarness) -> None:
    run = a_run_that_is_over(runs)
    runs.wait(days=91)
    assert remove(runs)["workflow_execution_logs"] > 0
    assert runs.log(run) == []
    assert len(runs.steps(run)) == 2

    runs.wait(days=275)

    assert remove(runs)["workflow_executions"] == 1
    for table in ("workflow_executions", "workflow_steps", "workflow_actions"):
        assert runs.rows(f"select from {table}") == []
    assert runs.got() == 1
    assert len(runs.activities()) == 1


def test_a_backfill_goes_with_the_runs_of_its_time_unless_it_may_go_on(runs: RunHarness) -> None:
    workflow = runs.workflow(chain(step("create_task", title="x")))
    old = {"completed": runs.now, "stopped": None}
    for state, completed_at in [*old.items(), ("completed", runs.now + timedelta(days=2))]:
        runs.insert(
            "workflow_backfills", workflow_id=workflow, version=1, entity_type="deal", state=state, ordered_by="ada",
            not_before=runs.now, created_at=runs.now, updated_at=runs.now, completed_at=completed_at,
        )  # fmt: skip
    runs.wait(days=364)
    assert remove(runs) == {}
    runs.wait(days=2)
    assert remove(runs) == {"workflow_backfills": 1}
    assert [row["state"] for row in runs.rows("select state from workflow_backfills order by state")] == [
        "completed", "stopped",
    ]  # fmt: skip


def test_an_event_that_was_not_handled_stays(runs: RunHarness) -> None:
    happen(runs, handled=True)
    happen(runs, handled=False)
    runs.wait(days=400)

    assert remove(runs) == {"entity_events": 1}

    assert runs.rows("select handled_at from entity_events") == [{"handled_at": None}]


WAITING: dict[str, Callable[[RunHarness], UUID]] = {
    "a wait": lambda runs: runs.run(chain(step("wait", days=3000))),
    "a webhook that is not awaited": lambda runs: runs.run(
        chain(step("webhook", url="https://x.example/in", wait_for_answer=False))
    ),
    "a queued mail": lambda runs: a_queued_mail(runs),
    "a pause": lambda runs: paused(runs),
    "a place in the queue": lambda runs: runs.run(chain(step("create_task", title="x")), is_due=False),
    "a try after a failure": lambda runs: failing(runs),
}


def a_queued_mail(runs: RunHarness) -> UUID:
    run = a_run_that_is_over(runs)
    runs.rows("update email_sends set status = 'queued' returning id")
    return run


def paused(runs: RunHarness) -> UUID:
    run = runs.run(chain(step("create_task", title="x")))
    runs.rows("update workflow_executions set status = 'paused', next_run_at = null, paused_at = now() returning id")
    return run


def failing(runs: RunHarness) -> UUID:
    run = runs.run(chain(step("create_task", title="x")))
    runs.rows("update workflow_executions set status = 'failed', completed_at = next_run_at returning id")
    return run


@pytest.mark.parametrize("what", WAITING)
def test_what_waits_is_never_removed(runs: RunHarness, what: str) -> None:
    run = WAITING[what](runs)
    if what not in {"a pause", "a place in the queue", "a try after a failure"}:
        runs.tick()
    runs.rows("update email_sends set status = 'queued' where :queued returning id", queued=what == "a queued mail")
    runs.wait(days=2000)

    assert "workflow_executions" not in remove(runs)

    assert runs.execution(run)["id"] == run


def test_a_run_that_was_cancelled_or_has_failed_for_good_goes_too(runs: RunHarness) -> None:
    for status in ("cancelled", "failed"):
        run = a_run_that_is_over(runs)
        runs.rows("update workflow_executions set status = :status where id = :id returning id", status=status, id=run)
    runs.wait(days=366)

    assert remove(runs)["workflow_executions"] == 2


def test_without_time_nothing_is_removed_and_the_next_round_goes_on(runs: RunHarness) -> None:
    a_run_that_is_over(runs)
    runs.wait(days=400)

    assert remove(runs, seconds=1) == {}
    assert remove(runs)["workflow_executions"] == 1


def test_rows_that_somebody_has_locked_are_left_for_later(runs: RunHarness) -> None:
    run = a_run_that_is_over(runs)
    runs.wait(days=366)

    def hold(tx: Transaction) -> dict[str, int]:
        tx.run(parse("select id from workflow_executions where id = :id for update"), id=run)
        return remove(runs)

    other = Database(runs.url)
    assert "workflow_executions" not in other.transact(hold)
    other.close()


def test_budgets_of_past_days_are_forgotten(runs: RunHarness) -> None:
    workflow = runs.workflow(chain(step("create_task", title="x")))
    for days in (0, 40):
        runs.rows(
            "insert into workflow_effects (workflow_id, day, kind) values (:id, :day, 'emails') returning day",
            id=workflow,
            day=(runs.now - timedelta(days=days)).date().isoformat(),
        )
    assert remove(runs) == {"workflow_effects": 1}
