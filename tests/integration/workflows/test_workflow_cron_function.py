"""The function workflow_cron as Lambda calls it, by its schedule and by its queue; and what a round costs."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_relay.incidents.send_alerts import send_alerts
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.fence.clone_fence import NotArmed
from crm_relay.platform.sql import Json
from crm_relay.workflows.engine.run_due import run_due
from crm_relay.workflows.operations.what_is_due import what_is_due
from crm_relay.workflows.starting.start_runs import StartReport
from tests.support.function_settings import give_settings
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.workflows.definitions import definition
from tests.support.workflows.run_harness import RunHarness, chain, step
from workflow_cron import wiring
from workflow_cron.handler import handler

EVENTS = Path(__file__).parents[3] / "events" / "workflow_cron"
MOST_STATEMENTS = 14


class WorkflowInvocation:
    aws_request_id = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 170_000


@pytest.fixture
def lately(runs: RunHarness, monkeypatch: pytest.MonkeyPatch) -> RunHarness:
    """The function reads the wall clock: what it finds was due a moment ago."""
    runs.time[0] = datetime.now(UTC) - timedelta(seconds=30)
    environment = {
        "DATABASE_URL": runs.url,
        "PUBLIC_URL": "https://api.example.com/",
        "RESEND_API_KEY": runs.sim.api_key,
        "RESEND_API_URL": runs.sim.url,
        "SEND_MODE": "live",
        "EMAIL_FROM": "CRM <crm@example.com>",
    }
    give_settings(monkeypatch, wiring.installation, environment)
    return runs


def invoke(case: str = "schedule") -> Any:
    return handler(json.loads((EVENTS / f"{case}.json").read_text()), WorkflowInvocation())


@pytest.mark.parametrize("case", ["schedule", "wake"])
def test_a_round_takes_what_is_due_and_says_so(lately: RunHarness, case: str) -> None:
    deal = lately.deal(lead_contact_id=lately.contact())
    run = lately.run(chain(step("create_task", title="x"), step("send_email", subject="a", text="b")), deal)

    answer = invoke(case)

    assert (answer["success"], answer["finished"], answer["idle"]) == (True, True, False)
    assert (answer["runs"], answer["steps"], answer["sent"]) == ({"completed": 1}, 2, 1)
    assert lately.status(run) == "completed"
    assert lately.sim.mails[0].payload["from"] == "CRM <crm@example.com>"
    assert "https://api.example.com/unsubscribe/" in lately.sim.mails[0].payload["text"]
    assert invoke(case)["idle"]


def test_what_a_row_that_sql_has_set_active_listens_to_is_heard_from_the_same_round_on(lately: RunHarness) -> None:
    deal = lately.deal(status="open")
    lately.insert("workflows", name="Won", entity_type="deal", is_active=True, definition=Json(definition()))
    invoke()
    lately.rows("update deals set status = 'won' where id = :id returning id", id=deal)
    assert [row["topic"] for row in lately.rows("select topic from entity_events")] == ["status"]


@pytest.mark.parametrize("wrong_by", [timedelta(hours=3), timedelta(hours=-3)], ids=["ahead", "behind"])
def test_a_worker_whose_clock_is_wrong_goes_by_the_databases(
    lately: RunHarness, monkeypatch: pytest.MonkeyPatch, wrong_by: timedelta
) -> None:
    class ClockOfTheWorker(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + wrong_by

    waiting = lately.run(chain(step("wait", hours=1), step("create_task", title="x")))
    invoke()
    due = lately.run(chain(step("wait", minutes=30)))
    monkeypatch.setattr("crm_relay.platform.clock.datetime", ClockOfTheWorker)

    invoke()

    assert (lately.steps(waiting), lately.steps(due)) == ([("0", "waiting")], [("0", "waiting")])
    until = lately.execution(due)["next_run_at"] - datetime.now(UTC)
    assert timedelta(0) < until <= timedelta(minutes=30)


def test_a_flood_of_one_kind_leaves_time_for_the_others(lately: RunHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    def never_done(_db: object, _programs: object, _clock: object, deadline: Deadline) -> StartReport:
        given.append(deadline.seconds_left)
        return StartReport()

    monkeypatch.setattr(wiring, "start_runs", never_done)
    lately.rows(
        "insert into entity_events (org_id, entity_type, entity_id, kind, topic)"
        " values (:org, 'deal', :deal, 'created', '+') returning id",
        org=lately.org,
        deal=lately.deal(),
    )
    invoke()

    assert given
    assert max(given) < WorkflowInvocation().get_remaining_time_in_millis() / 2000


def test_a_copy_of_a_database_takes_no_step(lately: RunHarness) -> None:
    lately.run(chain(step("create_task", title="x")))
    invoke()
    lately.rows(
        """update installation_settings set value = '[{"place": "elsewhere", "database": "x", "system": "y"}]'
           where key = 'armed_as' returning key"""
    )
    run = lately.run(chain(step("create_task", title="x")))

    with pytest.raises(NotArmed):
        invoke()

    assert lately.status(run) == "pending"


def test_a_run_that_waits_goes_on_in_the_round_after_its_event(lately: RunHarness) -> None:
    ada = lately.contact()
    run = lately.run(chain(step("wait", until_event="replied", days=1)), lately.deal(lead_contact_id=ada))
    invoke()
    lately.insert(
        "inbox_items", source="bison", external_id="1", from_address="ada@example.com", received_at=datetime.now(UTC)
    )
    lately.rows(
        "insert into entity_events (org_id, entity_type, entity_id, kind, topic)"
        " values (:org, 'contact', :ada, 'event', 'event:replied') returning id",
        org=lately.org,
        ada=ada,
    )

    # By the event, or in every fifth minute by the repair, which comes first.
    invoke()

    assert lately.status(run) == "completed"


class _CountedTransaction(Transaction):
    """Counts what `begin` and `commit` go around."""

    statements = 0

    def _carry(self, statements: Any, *, commits: bool = False) -> Any:
        type(self).statements += len(statements)
        return super()._carry(statements, commits=commits)


def _three_effects(runs: RunHarness, number: int) -> None:
    owner = runs.person()
    workflow = runs.workflow(
        chain(
            step("create_task", title="{{deal.name}}"),
            step("send_notification", to="owner", title="x", message="y"),
            step("update_field", field="stage", value="done"),
        )
    )
    for _ in range(number):
        runs.start(workflow, runs.deal(owner_id=owner))


def test_a_hundred_runs_of_three_effects_cost_fourteen_statements(
    runs: RunHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    _three_effects(runs, 101)
    monkeypatch.setattr("crm_relay.platform.database.Transaction", _CountedTransaction)
    with CountingProxy(runs.url) as proxy:
        database = Database(proxy.url)
        # The version is read once in a process, and the database armed.
        one, *rest = runs.rows("select id from workflow_executions order by id")
        runs.rows("update workflow_executions set next_run_at = null where id <> :id returning id", id=one["id"])
        run_due(database, runs.context, runs.clock, Deadline.after(60))
        runs.rows(
            "update workflow_executions set next_run_at = :now where id <> :id returning id", now=runs.now, id=one["id"]
        )
        proxy.forget()
        _CountedTransaction.statements = 0

        report = run_due(database, runs.context, runs.clock, Deadline.after(60))

        messages, statements = len(proxy.queries), _CountedTransaction.statements
        database.close()
    assert (report.outcomes["completed"], report.steps) == (len(rest), 300)
    # The last look finds nothing.
    assert statements - 1 <= MOST_STATEMENTS
    assert messages <= MOST_STATEMENTS


def test_the_number_of_statements_does_not_grow_with_the_batch(
    runs: RunHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_relay.platform.database.Transaction", _CountedTransaction)
    counts = []
    for number in (1, 10, 60):
        _three_effects(runs, number)
        _CountedTransaction.statements = 0
        runs.tick()
        counts.append(_CountedTransaction.statements)
    assert len(set(counts)) == 1


def test_a_round_without_work_is_three_short_statements(runs: RunHarness) -> None:
    with CountingProxy(runs.url) as proxy:
        database = Database(proxy.url)
        assert not what_is_due(database, runs.now).is_anything
        send_alerts(database, [], runs.now)
        database.close()
        assert len(proxy.queries) <= 3
