"""Rows that cannot be read, what SQL has ended, and what goes while a run waits: none of it stops others, or stays."""

from datetime import timedelta

import pytest

from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Row
from crm_relay.workflows.engine import claim
from crm_relay.workflows.engine.run_due import run_due
from crm_relay.workflows.engine.store import claim_runs
from crm_relay.workflows.engine.sweeps import repair_runs
from crm_relay.workflows.models import EffectBudget
from crm_relay.workflows.operations.steer import pause_workflow
from crm_relay.workflows.operations.what_is_due import what_is_due
from crm_relay.workflows.run_models import WorkflowRun
from tests.support.workflows.run_harness import RunHarness, chain, step

DONE = step("create_activity", subject="done")
MAIL = step("send_email", subject="a", text="b")


def test_a_run_that_cannot_be_read_stops_no_other(runs: RunHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = runs.workflow(chain(DONE))
    bad, good = runs.start(workflow, runs.deal("bad")), runs.start(workflow, runs.deal("good"))
    real = claim._run

    def read(row: Row) -> WorkflowRun:
        if row["id"] == bad:
            raise ValueError("what the driver or we cannot read of it")
        return real(row)

    monkeypatch.setattr(claim, "_run", read)
    runs.tick()

    assert (runs.status(good), runs.status(bad)) == ("completed", "pending")
    assert runs.incidents() == {"workflow_run_refused"}


@pytest.mark.parametrize(("until", "taken"), [("infinity", "bob"), ("-infinity", "ada"), ("12000-01-01", "bob")])
def test_a_colleague_may_be_away_for_ever(runs: RunHarness, until: str, taken: str) -> None:
    people = {name: runs.person(name) for name in ("ada", "bob")}
    away = "update user_profiles set out_until = cast(:until as timestamptz) where id = :id returning id"
    runs.rows(away, until=until, id=people["ada"])
    pool = [str(each) for each in people.values()]
    run = runs.run(chain(step("assign", assignee_type="round_robin", pool=pool)))

    runs.tick()

    assert runs.status(run) == "completed"
    assert runs.one("select owner_id from deals")["owner_id"] == people[taken]


@pytest.mark.parametrize("status", ["completed", "cancelled", "paused"])
def test_runs_that_sql_has_halted_hide_no_other(runs: RunHarness, status: str) -> None:
    workflow = runs.workflow(chain(DONE))
    halted = [runs.start(workflow, runs.deal()) for _ in range(5)]
    runs.rows("update workflow_executions set status = :status returning id", status=status)
    runs.wait(seconds=1)
    run = runs.start(workflow, runs.deal())

    found = runs.db.transact(lambda tx: claim_runs(tx, runs.now, limit=1))
    runs.tick()

    assert ([row["id"] for row in found], runs.status(run)) == ([run], "completed")
    assert repair_runs(runs.db, runs.now).stopped == 5
    rows = runs.rows("select status, next_run_at, due_before_pause from workflow_executions where id <> :run", run=run)
    assert {(row["status"], row["next_run_at"], row["due_before_pause"] is None) for row in rows} == {
        (status, None, status != "paused")
    }
    assert len(halted) == len(rows)
    assert sum(repair_runs(runs.db, runs.now)) == 0


def test_a_run_that_sql_cancelled_while_it_waited_lets_the_next_one_begin(runs: RunHarness) -> None:
    workflow, deal = runs.workflow(chain(step("wait", hours=1), DONE)), runs.deal()
    first = runs.start(workflow, deal)
    second = runs.start(workflow, deal, is_due=False)
    runs.tick()
    runs.rows("update workflow_executions set status = 'cancelled' where id = :id returning id", id=first)

    repair_runs(runs.db, runs.now)
    repair_runs(runs.db, runs.now)
    runs.tick()

    assert runs.steps(first) == [("0", "skipped")]
    assert runs.steps(second) == [("0", "waiting")]


def test_a_run_of_a_deleted_workflow_that_would_be_tried_again_ends(runs: RunHarness) -> None:
    away = runs.person("ada", out_until=runs.now + timedelta(days=9))
    run = runs.run(chain(step("assign", assignee_type="round_robin", pool=[str(away)])))
    runs.tick()
    assert runs.status(run) == "failed"
    runs.rows("update workflows set deleted_at = now() returning id")
    runs.wait(hours=1)

    assert repair_runs(runs.db, runs.now).ended == 1

    assert (runs.status(run), runs.execution(run)["next_run_at"]) == ("cancelled", None)


def test_what_cannot_be_taken_is_nothing_that_is_due(runs: RunHarness) -> None:
    run = runs.run(chain(DONE))
    assert what_is_due(runs.db, runs.now).runs
    runs.rows("update workflows set deleted_at = now() returning id")
    assert not what_is_due(runs.db, runs.now).runs
    runs.rows("update workflows set deleted_at = null returning id")
    runs.rows("update workflow_executions set status = 'paused' where id = :id returning id", id=run)
    assert not what_is_due(runs.db, runs.now).runs


def test_a_wait_without_a_time_out_ends_with_its_record(runs: RunHarness) -> None:
    run = runs.run(chain(step("wait", until_event="replied"), DONE), runs.deal(lead_contact_id=runs.contact()))
    runs.tick()
    runs.rows("update deals set deleted_at = now() returning id")
    runs.wait(days=1)

    runs.tick()

    assert (runs.status(run), runs.execution(run)["error_message"]) == ("cancelled", "record_gone")
    assert runs.steps(run) == [("0", "skipped")]


def test_a_wait_for_the_reply_of_nobody_hears_of_the_contact_that_comes(runs: RunHarness) -> None:
    run = runs.run(chain(step("wait", until_event="replied"), DONE))
    runs.tick()
    assert runs.execution(run)["waits_for_id"] is None
    ada = runs.contact()
    runs.rows("update deals set lead_contact_id = :ada returning id", ada=ada)
    runs.wait(days=1)

    runs.tick()

    assert runs.execution(run)["waits_for_id"] == ada
    assert runs.execution(run)["next_run_at"] == runs.now + timedelta(days=1)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("update deals set deleted_at = now() returning id", "record_gone"),
        ("delete from deals returning id", "record_gone"),
        ("update contacts set deleted_at = now() returning id", "contact_deleted"),
        ("update contacts set email = 'new@example.com' returning id", "address_changed"),
        ("update contacts set email = ' ADA@Example.com ' returning id", None),
    ],
)
def test_mail_that_was_held_asks_for_its_record_and_its_reader(runs: RunHarness, sql: str, reason: str | None) -> None:
    runs.run(chain(MAIL), runs.deal(lead_contact_id=runs.contact()))
    run_due(runs.db, runs.context, runs.clock, Deadline.after(600))
    runs.rows(sql)

    runs.send()

    assert len(runs.sim.mails) == (reason is None)
    action = runs.one("select status, result ->> 'reason' as reason from workflow_actions")
    assert (action["status"], action["reason"]) == ("completed" if reason is None else "skipped", reason)


def test_an_operator_stops_the_mail_of_a_workflow_that_its_budget_has_paused(runs: RunHarness) -> None:
    workflow = runs.workflow(chain(MAIL, budget=EffectBudget(emails=1)))
    for name in ("ada", "bob"):
        runs.start(workflow, runs.deal(lead_contact_id=runs.contact(name)))
    run_due(runs.db, runs.context, runs.clock, Deadline.after(600))
    assert runs.one("select paused_reason from workflows")["paused_reason"] == "over_budget"

    assert pause_workflow(runs.db, workflow, runs.now)
    assert not pause_workflow(runs.db, workflow, runs.now)
    runs.send()

    assert runs.sim.mails == []


def test_what_a_trigger_makes_of_a_notification_has_the_run_as_its_cause(runs: RunHarness) -> None:
    runs.db.run_script(
        """
        create function follow() returns trigger language plpgsql as $$
        begin update deals set stage = current_setting('app.workflow_causes', true); return null; end $$;
        create trigger follow after insert on notifications for each statement execute function follow();
        """
    )
    runs.run(
        chain(step("send_notification", to="owner", title="x", message="y")),
        runs.deal(owner_id=runs.person()),
        depth=2,
    )

    runs.tick()

    assert runs.one("select stage::jsonb ->> '*' as depth from deals")["depth"] == "3"
