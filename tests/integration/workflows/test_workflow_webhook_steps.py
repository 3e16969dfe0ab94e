"""A webhook step: what it commits, and what its answer does to the run."""

import json

import pytest

from crm_relay.workflows.engine.sweeps import wake_waiting
from crm_relay.workflows.operations.steer import RunChange, change_runs
from tests.support.workflows.run_harness import RunHarness, chain, step

HOOK = step("webhook", url="https://hooks.example.com/x", body={"deal": "{{deal.name}}", "list": ["{{deal.name}}", 1]})


@pytest.mark.parametrize(
    ("state", "ends_as"), [("delivered", "completed"), ("failed", "failed"), ("cancelled", "failed")]
)
def test_a_run_goes_by_what_became_of_its_webhook(runs: RunHarness, state: str, ends_as: str) -> None:
    run = runs.run(chain(HOOK))
    runs.tick()
    hook = runs.one("select body, host, state, is_awaited from workflow_webhooks")
    assert json.loads(hook["body"]) == {"deal": "Engine", "list": ["Engine", 1]}
    assert (hook["host"], hook["state"], hook["is_awaited"]) == ("hooks.example.com", "waiting", True)
    assert runs.execution(run)["waits_for"] == "webhook"

    runs.rows("update workflow_webhooks set state = :state returning id", state=state)
    assert wake_waiting(runs.db, runs.now) == 1
    runs.tick()

    assert runs.status(run) == ends_as


def test_a_webhook_that_is_repeated_keeps_its_id(runs: RunHarness) -> None:
    run = runs.run(chain(HOOK))
    runs.tick()
    first = runs.one("select id from workflow_webhooks")["id"]
    runs.rows("update workflow_webhooks set state = 'failed' returning id")
    wake_waiting(runs.db, runs.now)
    runs.tick()

    change_runs(runs.db, RunChange.RETRY, runs.now, runs=[run])
    runs.tick()

    assert runs.one("select id, state from workflow_webhooks") == {"id": first, "state": "waiting"}


def test_a_webhook_that_nobody_waits_for_lets_the_run_go_on(runs: RunHarness) -> None:
    run = runs.run(chain(step("webhook", url="https://hooks.example.com/x", wait_for_answer=False)))

    runs.tick()

    assert runs.status(run) == "completed"
    assert json.loads(runs.one("select body from workflow_webhooks")["body"])["data"]["record"]["name"] == "Engine"
