"""What a run that fails leaves, who hears of it, and how it goes on; and that it stops nobody else."""

import threading
from dataclasses import replace
from uuid import UUID

import pytest

from crm_relay.mail.stops.stop_sending import resume_sending, stop_sending
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.workflows.engine.run_due import run_due
from crm_relay.workflows.engine.sweeps import repair_runs
from crm_relay.workflows.models import EffectBudget
from crm_relay.workflows.operations.steer import RunChange, change_runs, pause_workflow, resume_workflow
from tests.support.platform.rows import parse
from tests.support.workflows.run_harness import RunHarness, chain, step

BAD = step("update_field", field="value", value="{{deal.name}}")
"""A name is no number."""

DONE = step("create_activity", subject="done")


def test_a_failed_run_keeps_what_was_done_and_its_owner_hears_of_it(runs: RunHarness) -> None:
    owner = runs.person()
    run = runs.run(chain(DONE, BAD, DONE), owner=owner)

    runs.tick()

    assert runs.steps(run) == [("0", "completed"), ("1", "failed")]
    execution = runs.execution(run)
    assert (execution["status"], execution["next_run_at"], execution["current_step_index"]) == ("failed", None, 1)
    assert runs.notified(owner) == ["Workflow failed: Follow up"]
    assert runs.incidents() == {"workflow_failing"}
    assert len(runs.activities()) == 1


def test_a_retry_goes_on_from_the_failed_step_and_closes_the_incident(runs: RunHarness) -> None:
    deal = runs.deal()
    run = runs.run(chain(DONE, BAD, DONE), deal)
    runs.tick()
    runs.rows("update deals set name = '12' returning id")

    assert change_runs(runs.db, RunChange.RETRY, runs.now, runs=[run], who="grace").changed == (run,)
    runs.tick()

    assert runs.status(run) == "completed"
    assert runs.steps(run) == [("0", "completed"), ("1", "failed"), ("1", "completed"), ("2", "completed")]
    assert len(runs.activities()) == 2
    assert runs.incidents() == set()
    data = runs.one("select data from workflow_execution_logs where message = 'run retried'")["data"]
    assert data == {"by": "grace"}


def test_a_step_may_go_on_after_its_failure(runs: RunHarness) -> None:
    program = chain(BAD, DONE)
    first, second = program.steps
    run = runs.run(replace(program, steps=(replace(first, goes_on_after_failure=True), second)))

    runs.tick()

    assert runs.steps(run) == [("0", "failed"), ("1", "completed")]
    assert runs.status(run) == "completed"


def test_a_poisoned_record_among_a_hundred_fails_alone(runs: RunHarness) -> None:
    workflow = runs.workflow(chain(step("update_field", field="probability", value="{{deal.name}}")))
    poisoned = runs.start(workflow, runs.deal("poison"))
    others = [runs.start(workflow, runs.deal("50")) for _ in range(99)]

    report = runs.tick()

    assert runs.status(poisoned) == "failed"
    assert {runs.status(each) for each in others} == {"completed"}
    assert report.failed_alone == 1


def test_a_run_whose_trigger_refuses_it_fails_alone_whatever_the_code(runs: RunHarness) -> None:
    runs.db.run_script(
        "create function refuse() returns trigger language plpgsql as "
        "$$ begin if new.name = 'poison' then raise exception 'no'; end if; return new; end $$;"
        "create trigger refuse before update on deals for each row execute function refuse()"
    )
    workflow = runs.workflow(chain(step("update_field", field="probability", value=1)))
    poisoned, other = runs.start(workflow, runs.deal("poison")), runs.start(workflow, runs.deal())

    runs.tick()

    assert (runs.status(poisoned), runs.status(other)) == ("failed", "completed")


def test_a_run_that_cannot_even_be_recorded_is_set_aside(runs: RunHarness) -> None:
    runs.db.run_script(
        "create function refuse() returns trigger language plpgsql as "
        "$$ begin raise exception 'no'; end $$;"
        "create trigger refuse before insert on workflow_steps for each row "
        "when (new.step_name = 'poison') execute function refuse()"
    )
    program = chain(replace(DONE, name="poison"))
    poisoned, other = runs.run(program), runs.run(chain(DONE))

    runs.tick()
    assert runs.tick().batches == 0

    assert (runs.status(poisoned), runs.status(other)) == ("pending", "completed")
    assert runs.incidents() == {"workflow_run_refused"}
    runs.db.run_script("drop trigger refuse on workflow_steps")
    change_runs(runs.db, RunChange.RETRY, runs.now, runs=[poisoned])
    runs.tick()
    assert (runs.status(poisoned), runs.incidents()) == ("completed", set())


def test_a_version_that_cannot_be_read_fails_its_runs(runs: RunHarness) -> None:
    run = runs.run(chain(DONE))
    runs.rows("""update workflow_versions set program = '{"steps": 1}' returning version""")

    runs.tick()

    assert runs.status(run) == "failed"


def test_a_busy_record_is_postponed_and_the_others_go_on(runs: RunHarness) -> None:
    workflow = runs.workflow(chain(step("update_field", field="probability", value=7)))
    deal, other = runs.deal(), runs.deal()
    busy, free = runs.start(workflow, deal), runs.start(workflow, other)
    holder = Database(runs.url)

    def hold(tx: object) -> None:
        tx.run(parse("update deals set name = 'x' where id = :id"), id=deal)  # type: ignore[attr-defined]
        assert runs.tick().postponed == 1
        assert runs.status(free) == "completed"

    holder.transact(hold)
    assert runs.status(busy) == "pending"
    runs.wait(seconds=10)
    runs.tick()
    holder.close()

    assert runs.status(busy) == "completed"
    assert runs.one("select name, probability from deals where id = :id", id=deal) == {"name": "x", "probability": 7}


def test_two_runs_that_write_one_record_do_it_one_after_the_other(runs: RunHarness) -> None:
    deal = runs.deal("0")
    count = chain(step("update_field", field="name", value="{{deal.name}}1"))
    for _ in range(3):
        runs.run(count, deal)

    runs.tick()

    assert runs.one("select name from deals")["name"] == "0111"


def test_a_run_takes_no_more_steps_than_it_may(runs: RunHarness) -> None:
    program = chain(DONE, DONE, max_steps=10)
    first, second = program.steps
    run = runs.run(replace(program, steps=(first, replace(second, next=0))))

    runs.tick()

    assert runs.status(run) == "failed"
    assert len(runs.activities()) == 10


@pytest.mark.parametrize("kind", ["emails", "records"])
def test_a_budget_pauses_the_workflow_and_nothing_is_lost(runs: RunHarness, kind: str) -> None:
    owner = runs.person()
    steps = {"emails": step("send_email", subject="x", text="y"), "records": DONE}
    workflow = runs.workflow(chain(steps[kind], budget=EffectBudget(**{kind: 3})), owner=owner)
    started = [runs.start(workflow, runs.deal(lead_contact_id=runs.contact(f"p{n}"))) for n in range(5)]

    runs.tick()
    runs.tick()

    done = [each for each in started if runs.status(each) == "completed"]
    assert len(done) == 3
    assert runs.notified(owner) == ["Workflow paused: Follow up"]
    assert runs.incidents() == {"workflow_over_budget"}
    assert resume_workflow(runs.db, workflow, runs.now, who="grace")
    runs.tick()
    assert {runs.status(each) for each in started} == {"completed"}
    assert runs.incidents() == set()
    assert runs.sim.sends.total() == (5 if kind == "emails" else 0)


def test_the_budget_of_another_day_is_another_one(runs: RunHarness) -> None:
    workflow = runs.workflow(chain(DONE, budget=EffectBudget(records=1)))
    for _ in range(2):
        runs.start(workflow, runs.deal())
        runs.tick()
        runs.wait(days=1)

    assert len(runs.activities()) == 2


def test_a_paused_run_goes_on_where_it_was(runs: RunHarness) -> None:
    run = runs.run(chain(step("wait", hours=2), DONE))
    runs.tick()

    change_runs(runs.db, RunChange.PAUSE, runs.now, runs=[run])
    runs.wait(hours=3)
    runs.tick()
    assert (runs.status(run), runs.activities()) == ("paused", [])
    change_runs(runs.db, RunChange.RESUME, runs.now, runs=[run])
    runs.tick()

    assert (runs.status(run), len(runs.activities())) == ("completed", 1)


def test_a_paused_workflow_takes_no_step(runs: RunHarness) -> None:
    workflow = runs.workflow(chain(DONE))
    run = runs.start(workflow, runs.deal())

    assert pause_workflow(runs.db, workflow, runs.now, who="grace")
    assert not pause_workflow(runs.db, workflow, runs.now)
    runs.tick()
    assert runs.status(run) == "pending"
    assert resume_workflow(runs.db, workflow, runs.now)
    runs.tick()

    assert runs.status(run) == "completed"
    changes = runs.rows("select change_type, metadata ->> 'by' as by from entity_history order by id")
    assert {(row["change_type"], row["by"]) for row in changes} == {("paused", "grace"), ("resumed", "operator")}


def _queued_mail(runs: RunHarness) -> UUID:
    """A run whose mail is in the ledger, and which waits."""
    run = runs.run(
        chain(step("send_email", subject="x", text="y"), step("wait", days=1)),
        runs.deal(lead_contact_id=runs.contact()),
    )
    run_due(runs.db, runs.context, runs.clock, Deadline.after(60))
    return run


def test_mail_of_a_cancelled_run_does_not_leave(runs: RunHarness) -> None:
    run = _queued_mail(runs)
    change_runs(runs.db, RunChange.CANCEL, runs.now, runs=[run])

    runs.send()

    assert runs.got() == 0
    assert runs.one("select status, result ->> 'reason' as reason from workflow_actions") == {
        "status": "skipped",
        "reason": "cancelled",
    }
    assert runs.steps(run)[1] == ("1", "skipped")


def test_mail_of_a_paused_run_waits(runs: RunHarness) -> None:
    run = _queued_mail(runs)
    change_runs(runs.db, RunChange.PAUSE, runs.now, runs=[run])
    runs.send()
    assert runs.got() == 0

    change_runs(runs.db, RunChange.RESUME, runs.now, runs=[run])
    runs.wait(minutes=20)
    runs.send()

    assert runs.got() == 1


def test_the_brake_and_the_cap_hold_mail_of_workflows(runs: RunHarness) -> None:
    _queued_mail(runs)
    stop_sending(runs.db, runs.now)
    runs.send()
    assert runs.got() == 0
    resume_sending(runs.db, runs.now)
    runs.rows(
        "insert into delivery_limits (org_id, cap_emails, cap_days) values (:org, 1, 7) returning org_id", org=runs.org
    )
    runs.run(
        chain(step("send_email", subject="x", text="y")),
        runs.deal(lead_contact_id=runs.one("select id from contacts")["id"]),
    )
    runs.wait(minutes=20)
    runs.tick()

    assert runs.got() == 1


def test_the_end_of_a_run_lets_the_next_one_of_its_record_begin(runs: RunHarness) -> None:
    workflow, deal = runs.workflow(chain(step("wait", hours=1), DONE)), runs.deal()
    first = runs.start(workflow, deal)
    runs.wait(seconds=1)
    second = runs.start(workflow, deal, is_due=False)
    third = runs.start(workflow, deal, is_due=False)

    runs.tick()
    assert (runs.status(second), runs.status(third)) == ("pending", "pending")
    for _ in range(3):
        runs.wait(hours=1)
        runs.tick()

    assert [runs.status(each) for each in (first, second, third)] == ["completed"] * 3
    begun = [runs.execution(each)["started_at"] for each in (first, second, third)]
    assert len(set(begun)) == 3


def test_the_repair_finds_what_nothing_moves(runs: RunHarness) -> None:
    workflow = runs.workflow(chain(DONE))
    queued = runs.start(workflow, runs.deal(), is_due=False)
    stuck = runs.start(workflow, runs.deal(), is_due=False)
    runs.rows("update workflow_executions set status = 'running' where id = :id returning id", id=stuck)
    hooked = runs.start(workflow, runs.deal(), is_due=False)
    runs.rows(
        "update workflow_executions set status = 'running', waits_for = 'webhook', waits_for_id = gen_random_uuid()"
        " where id = :id returning id",
        id=hooked,
    )

    repaired = repair_runs(runs.db, runs.now)

    assert (repaired.released, repaired.stuck, repaired.answered) == (1, 1, 1)
    runs.tick()
    assert {runs.status(queued), runs.status(stuck), runs.status(hooked)} == {"completed"}
    assert sum(repair_runs(runs.db, runs.now)) == 0


def test_runs_of_a_deleted_workflow_end(runs: RunHarness) -> None:
    workflow = runs.workflow(chain(DONE))
    run = runs.start(workflow, runs.deal())
    runs.rows("update workflows set deleted_at = now() returning id")
    runs.tick()
    assert runs.status(run) == "pending"

    assert repair_runs(runs.db, runs.now).ended == 1

    assert runs.status(run) == "cancelled"


def test_all_runs_of_a_workflow_are_changed_at_once(runs: RunHarness) -> None:
    workflow = runs.workflow(chain(BAD))
    for _ in range(20):
        runs.start(workflow, runs.deal())
    runs.tick()
    runs.rows("update deals set name = '3' returning id")

    changed = change_runs(runs.db, RunChange.RETRY, runs.now, workflow_id=workflow)
    runs.tick()

    assert len(changed.changed) == 20
    assert runs.one("select count(*)::integer as n from deals where value = 3")["n"] == 20


def test_a_change_that_makes_no_sense_is_refused_with_a_reason(runs: RunHarness) -> None:
    run, unknown = runs.run(chain(DONE)), UUID(int=7)
    runs.tick()

    refused = change_runs(runs.db, RunChange.PAUSE, runs.now, runs=[run, unknown]).refused

    assert refused == {run: "is completed", unknown: "unknown"}


def test_two_workers_side_by_side_take_each_step_once(runs: RunHarness) -> None:
    workflow = runs.workflow(chain(DONE, step("update_field", field="stage", value="x"), DONE))
    for _ in range(150):
        runs.start(workflow, runs.deal())

    def work() -> None:
        own = Database(runs.url)
        runs.tick(db=own)
        own.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    runs.tick()

    assert len(runs.activities()) == 300
    assert {row["status"] for row in runs.rows("select status from workflow_executions")} == {"completed"}
