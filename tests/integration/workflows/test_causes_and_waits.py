"""Events that follow from a run say so, and what no run waits for any more is not listened to."""

from uuid import uuid4

import pytest

from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.definition.drafts import create, save
from crm_relay.workflows.definition.publish import publish
from crm_relay.workflows.events.watch import stop_watching_draft
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.operations.forget_waits import forget_waits
from crm_relay.workflows.operations.report_event import report_event
from crm_relay.workflows.operations.steer import RunChange, change_runs
from tests.support.workflows.definitions import NOW, TASK, DefinitionShelf, definition
from tests.support.workflows.run_harness import RunHarness, chain, step


def test_an_event_names_the_run_or_the_request_that_it_follows_from(runs: RunHarness) -> None:
    run = runs.run(chain(step("webhook", url="https://x.example/in")), depth=2)
    runs.tick()
    hook = runs.one("select id from workflow_webhooks")["id"]
    runs.rows(
        "insert into workflow_listeners (workflow_id, org_id, entity_type, topic)"
        " select id, org_id, 'deal', 'event:paid' from workflows returning topic"
    )
    deal = (EntityType.DEAL, runs.execution(run)["entity_id"])
    for cause in (run, hook, None):
        report_event(runs.db, deal, "paid", cause=cause)
    found = runs.rows("select cause, depth from entity_events where kind = 'event' order by id")
    assert [(row["cause"], row["depth"]) for row in found] == [(run, 3), (run, 3), (None, 0)]
    with pytest.raises(RejectedInput, match="cause") as refused:
        report_event(runs.db, deal, "paid", cause=uuid4())
    assert refused.value.status == 422


def test_what_runs_of_a_former_version_waited_for_goes_with_the_last_of_them(shelf: DefinitionShelf) -> None:
    def waiting_for(name: str) -> dict[str, object]:
        wait = {"type": "wait", "config": {"untilEvent": name, "days": 2}}
        return {"name": "Waits", "entityType": "deal", **definition(actions=[wait, TASK])}

    workflow = create(shelf.db, waiting_for("signed")).id
    publish(shelf.db, workflow, NOW)
    run = shelf.run(workflow, 1, "running")
    save(shelf.db, workflow, waiting_for("paid"))
    publish(shelf.db, workflow, NOW)
    stop_watching_draft(shelf.db, workflow, NOW)
    both = {("deal", "status"), ("deal", "event:signed"), ("deal", "event:paid")}
    assert (forget_waits(shelf.db), shelf.topics(workflow)) == (0, both)
    change_runs(shelf.db, RunChange.CANCEL, NOW, runs=[run])
    assert (forget_waits(shelf.db), shelf.topics(workflow)) == (1, both - {("deal", "event:signed")})
    assert forget_waits(shelf.db) == 0
