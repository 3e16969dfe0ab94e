"""How workflows are going: lists, timelines of runs, and why something did or did not start."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.definition.deactivate import deactivate
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.operations.report_event import start_workflow
from crm_relay.workflows.operations.steer import pause_workflow
from crm_relay.workflows.overview.list_workflows import list_runs, list_workflows
from crm_relay.workflows.overview.models import WorkflowWhy
from crm_relay.workflows.overview.show_run import show_run
from crm_relay.workflows.overview.why import why_record
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.workflows.rounds import WON, play, published, won_deal
from tests.support.workflows.run_harness import RunHarness

DEAL = EntityType.DEAL


def variant(name: str, **definition: Any) -> dict[str, Any]:
    """The workflow of deals won with another name and other parts."""
    return {**WON, "name": name, "definition": {**WON["definition"], **definition}}


def why(runs: RunHarness, record: UUID, entity: EntityType = DEAL) -> dict[str, WorkflowWhy]:
    return {each.name: each for each in why_record(runs.db, (entity, record), runs.now).workflows}


def run_of(runs: RunHarness, record: UUID) -> UUID:
    (line,) = list_runs(runs.db, record=(DEAL, record))
    return line.id


def test_workflows_are_listed_with_their_runs_by_status(runs: RunHarness) -> None:
    workflow = published(runs.db)
    published(runs.db, variant("Idle"))
    won_deal(runs)
    won_deal(runs, contact=runs.contact("bo"), owner=runs.person("hal"))
    play(runs)
    listed = {each.name: each for each in list_workflows(runs.db)}
    assert (listed["Deal won"].id, listed["Deal won"].active_version) == (workflow, 1)
    assert listed["Deal won"].runs == {"completed": 2}
    assert listed["Idle"].runs == {"completed": 2}


def test_runs_are_listed_by_workflow_record_and_status(runs: RunHarness) -> None:
    workflow = published(runs.db)
    first, second = won_deal(runs), won_deal(runs, contact=runs.contact("bo"), owner=runs.person("hal"))
    play(runs)
    assert {each.entity_id for each in list_runs(runs.db, workflow_id=workflow)} == {first, second}
    assert len(list_runs(runs.db, limit=1)) == 1
    assert [each.status for each in list_runs(runs.db, record=(DEAL, first))] == ["completed"]
    assert list_runs(runs.db, statuses=["failed"]) == []
    assert list_runs(runs.db, org_id=uuid4()) == []
    assert list_runs(runs.db, record=(DEAL, first), statuses=["running"]) == []
    assert [each.trigger_type for each in list_runs(runs.db, workflow_id=workflow)] == ["automatic"] * 2


def test_a_timeline_has_every_step_decision_mail_and_notification(runs: RunHarness) -> None:
    published(runs.db)
    owner = runs.person()
    deal = won_deal(runs, owner=owner)
    play(runs)
    shown = show_run(runs.db, run_of(runs, deal))
    assert (shown.run.status, shown.is_complete, shown.start.verdict) == ("completed", True, "started")
    assert shown.start.explanation[0]["actual"] == 5000
    assert shown.start.event["changed"]["status"] == ["open", "won"]
    assert [(each.type, each.status) for each in shown.steps] == [
        ("action", "completed"), ("action", "completed"), ("condition", "completed"), ("action", "completed"),
    ]  # fmt: skip
    mail, task, condition, notice = shown.steps
    (sent,) = mail.actions
    assert sent.mail is not None
    assert (sent.mail.status, sent.status, runs.got()) == ("sent", "completed", 1)
    assert task.actions[0].mail is None
    assert "5000" in str(condition.result)
    assert "4000" in str(condition.result)
    assert [(each.user_id, set(each.channels)) for each in notice.actions[0].notifications] == [(owner, {"in_app"})]
    assert any("send_email" in line.message for line in mail.logs)
    assert [line.message for line in shown.logs] == ["run completed"]


def test_a_timeline_shows_a_webhook_with_its_attempts(runs: RunHarness) -> None:
    hook = {"type": "webhook", "config": {"url": "https://billing.example.com/hooks", "body": {"deal": "{{deal.id}}"}}}
    published(runs.db, variant("Billing", actions=[hook]))
    deal = won_deal(runs)
    play(runs)
    runs.rows("update workflow_webhooks set attempts = 2, state = 'failed', status_code = 500, reason = 'status_500'"
              " returning id")  # fmt: skip
    shown = show_run(runs.db, run_of(runs, deal))
    (step,) = shown.steps
    found = step.actions[0].webhook
    assert found is not None
    assert (found.host, found.state, found.attempts, found.status_code) == ("billing.example.com", "failed", 2, 500)
    assert shown.run.waits_for == "webhook"


def test_a_run_that_is_not_there_is_refused(runs: RunHarness) -> None:
    with pytest.raises(RejectedInput) as refused:
        show_run(runs.db, uuid4())
    assert refused.value.status == 404


def test_the_gate_that_refused_is_named_with_its_values(runs: RunHarness) -> None:
    published(runs.db)
    deal = won_deal(runs, value=250)
    play(runs)
    found = why(runs, deal)["Deal won"]
    assert (found.answer, found.decisions[0].reason) == ("not_started", "conditions")
    assert found.decisions[0].explanation[0] | {"at": ""} == {
        "at": "", "field": "value", "operator": "gte", "wanted": 1000, "actual": 250, "holds": False,
    }  # fmt: skip
    assert found.decisions[0].topic == "status"
    assert "conditions did not hold" in found.because
    # Now asked of the record as it is.
    assert found.now is not None
    assert (found.now.verdict, found.now.gate) == ("refuse", "conditions")
    runs.rows("update deals set value = 2500 where id = :id returning id", id=deal)
    now = why(runs, deal)["Deal won"].now
    assert now is not None
    assert (now.verdict, now.gate, now.explanation[0]["actual"]) == ("start", None, 2500)


def test_every_answer_has_its_words(runs: RunHarness) -> None:
    published(runs.db)
    published(runs.db, variant("By hand", triggers=[{"type": "manual"}]))
    published(runs.db, variant("Lost", triggers=[{"type": "status_change", "to": "lost"}]))
    contacts = {"triggers": [{"type": "created"}], "actions": WON["definition"]["actions"][:1]}
    published(runs.db, {"name": "Contacts", "entityType": "contact", "definition": contacts})
    ended = published(runs.db, variant("Ended"))
    deactivate(runs.db, ended, utc_now())
    quiet = runs.deal(value=5000, status="open")
    play(runs)
    assert {name: each.answer for name, each in why(runs, quiet).items()} == {
        "Deal won": "nothing_happened",
        "By hand": "by_hand",
        "Lost": "nothing_happened",
        "Contacts": "other_entity_type",
        "Ended": "not_published",
    }
    deal = won_deal(runs)
    before = why(runs, deal)
    assert (before["Deal won"].answer, before["Deal won"].waiting_events) == ("event_waits", 2)
    assert (before["By hand"].answer, before["By hand"].waiting_events) == ("by_hand", 0)
    play(runs)
    after = why(runs, deal)
    assert (after["Deal won"].answer, after["Deal won"].waiting_events) == ("started", 0)
    assert after["Deal won"].decisions[0].run_status == "completed"
    assert (after["Lost"].answer, after["Lost"].decisions[0].reason) == ("not_started", "trigger")
    assert after["Contacts"].now is None
    assert "contact" in after["Contacts"].because
    assert list(after)[-1] == "Contacts", "those about such records come first"


@pytest.mark.parametrize(
    ("settings", "verdict", "gate"),
    [
        ({"coolDown": "1h"}, "refuse", "cool_down"),
        ({"reEntry": "skip"}, "refuse", "re_entry"),
        ({"reEntry": "queue"}, "queue", "re_entry"),
        ({"reEntry": "parallel"}, "start", None),
        ({"reEntry": "restart"}, "start", None),
    ],
)
def test_what_a_start_would_come_to_is_what_it_comes_to(
    runs: RunHarness, settings: dict[str, str], verdict: str, gate: str | None
) -> None:
    waits = [{"type": "wait", "config": {"days": 2}}, *WON["definition"]["actions"][:1]]
    workflow = published(runs.db, variant("Waits", actions=waits, settings=settings))
    deal = won_deal(runs)
    play(runs)
    now = why(runs, deal)["Waits"].now
    assert now is not None
    assert (now.verdict, now.gate) == (verdict, gate)
    before = len(list_runs(runs.db))
    assert len(list_runs(runs.db)) == before, "asking starts nothing"
    started = start_workflow(runs.db, workflow, deal, runs.clock, who="operator")
    assert started.verdict == {"refuse": "not_started", "queue": "queued", "start": "started"}[verdict]
    assert started.reason == (gate if verdict == "refuse" else None)


def test_a_paused_workflow_would_wait(runs: RunHarness) -> None:
    workflow = published(runs.db)
    deal = won_deal(runs)
    pause_workflow(runs.db, workflow, runs.now)
    now = why(runs, deal)["Deal won"].now
    assert now is not None
    assert (now.verdict, now.gate) == ("wait", "paused")


def test_a_record_that_is_gone_is_explained_by_what_was_decided(runs: RunHarness) -> None:
    published(runs.db)
    deal = won_deal(runs, value=1)
    play(runs)
    runs.rows("delete from deals where id = :id returning id", id=deal)
    known = why_record(runs.db, (DEAL, deal), runs.now)
    assert (known.exists, known.workflows[0].answer) == (False, "not_started")
    assert known.workflows[0].now is not None
    assert known.workflows[0].now.gate == "record_gone"


def test_records_and_workflows_that_are_not_there_are_refused(runs: RunHarness) -> None:
    other = UUID(str(runs.one("insert into organizations (name) values ('Other') returning id")["id"]))
    foreign = published(runs.db, org_id=other)
    deal = runs.deal()
    for record, workflow in ((uuid4(), None), (deal, uuid4()), (deal, foreign)):
        with pytest.raises(RejectedInput) as refused:
            why_record(runs.db, (DEAL, record), runs.now, workflow_id=workflow)
        assert refused.value.status == 404
    assert why_record(runs.db, (DEAL, deal), runs.now).workflows == (), "those of another organization are no answer"


def test_the_event_that_was_decided_about_is_asked_again(runs: RunHarness) -> None:
    asked = [{"field": "event.old.status", "operator": "eq", "value": "open"}]
    published(runs.db, variant("From open", conditions=asked))
    deal = won_deal(runs)
    play(runs)
    now = why(runs, deal)["From open"].now
    assert now is not None
    assert (now.verdict, now.explanation[0]["actual"]) == ("start", "open")


def statements(proxy: CountingProxy, look: Callable[[], object]) -> int:
    before = len(proxy.queries)
    look()
    return len(proxy.queries) - before


def test_the_number_of_statements_is_constant(runs: RunHarness, database_url: str) -> None:
    counts = []
    with CountingProxy(database_url) as proxy:
        db = Database(proxy.url)
        for number in range(2):
            for place in range(1 + 4 * number):
                published(runs.db, variant(f"W{number}.{place}"))
            deal = won_deal(runs, contact=runs.contact(f"c{number}"), owner=runs.person(f"p{number}"))
            play(runs)
            run = list_runs(runs.db, record=(DEAL, deal))[0].id
            looks: tuple[Callable[[], object], ...] = (
                partial(why_record, db, (DEAL, deal), runs.now),
                partial(show_run, db, run),
                partial(list_workflows, db),
            )  # fmt: skip
            counts.append([statements(proxy, look) for look in looks])
        db.close()
    assert counts == [[6, 5, 2], [6, 5, 2]]
