"""What the integrity check finds of workflows: each fault planted and found, and nothing in a sound life."""

from datetime import timedelta

import pytest

from crm_relay.integrity.look import look_at_workflows
from crm_relay.integrity.models import Inspection
from crm_relay.integrity.workflows.unmoved import contradicting_workflows
from crm_relay.platform.clock import Deadline
from crm_relay.workflows.engine.sweeps import repair_runs
from tests.support.workflows.run_harness import RunHarness, chain, step


def found(runs: RunHarness) -> list[str]:
    """What is wrong, an hour and more after it happened."""
    rows = contradicting_workflows(runs.db, settled_before=runs.now - timedelta(hours=1), limit=100)
    return [row["what"] for row in rows]


def lived(runs: RunHarness) -> None:
    """Every kind of effect, a wait, a request that waits, a run that is paused and one in a queue; a table is heard."""
    owner = runs.person()
    program = chain(
        step("create_task", title="x"),
        step("create_activity", subject="y"),
        step("send_notification", to="owner", title="x", message="y"),
        step("send_email", subject="a", text="b"),
        step("wait", days=30),
    )
    deal = runs.deal(owner_id=owner, lead_contact_id=runs.contact())
    workflow = runs.workflow(program)
    runs.start(workflow, deal)
    runs.start(workflow, deal, is_due=False)
    runs.start(runs.workflow(chain(step("webhook", url="https://x.example/in")), name="Webhook"), runs.deal())
    runs.rows(
        "insert into workflow_listeners (workflow_id, org_id, entity_type, topic) select :id, :org, 'deal', topic"
        " from unnest('{stage,+,event:replied}'::text[]) as topic returning topic",
        id=workflow,
        org=runs.org,
    )
    runs.rows("select * from listen_to_changes()")
    runs.tick()
    runs.wait(hours=2)


def test_a_sound_life_has_no_contradiction(runs: RunHarness) -> None:
    lived(runs)
    assert found(runs) == []


_ACTION = "select id from workflow_actions where action_type = '{}'"
_WAITING = "select id from workflow_executions where waits_for = 'webhook'"
_EVENT = (
    "insert into entity_events (org_id, entity_type, entity_id, kind, topic, occurred_at)"
    " select org_id, 'deal', id, 'changed', 'stage', created_at - interval '30 days' from deals limit 1"
)
FAULTS = {
    "its activity is missing": "delete from activities where type = 'task'",
    "its mail is not in the ledger": "update email_sends set send_key = 'x'",
    "its notification is missing": "delete from notification_keys",
    "its request was not delivered": "update workflow_actions set status = 'completed' where action_type = 'webhook'",
    "due for more than an hour": "update workflow_executions set next_run_at = :then where waits_for is null"
    " and status = 'pending'",
    "waits for nothing": "update workflow_executions set waits_for = null, updated_at = :then"
    f" where id in ({_WAITING})",
    "queued behind nothing": "update workflow_executions set status = 'completed', next_run_at = null,"
    " waits_for = null where status = 'running'; "
    "update workflow_executions set updated_at = :then where status = 'pending'",
    "its lease has died": "update workflow_webhooks set state = 'sending', leased_until = :then",
    "not handled for more than an hour": _EVENT,
    "no trigger for what it listens to": "drop trigger workflow_changed on deals",
}


def plant(runs: RunHarness, fault: str) -> None:
    then = (runs.now - timedelta(hours=1, minutes=30)).isoformat()
    runs.db.run_script(fault.replace(":then", f"'{then}'"))


@pytest.mark.parametrize("what", FAULTS)
def test_every_contradiction_is_found(runs: RunHarness, what: str) -> None:
    lived(runs)
    plant(runs, FAULTS[what])
    assert set(found(runs)) == {what}


def test_a_trigger_that_is_switched_off_is_found(runs: RunHarness) -> None:
    lived(runs)
    runs.db.run_script("alter table deals disable trigger workflow_changed")
    inspection = Inspection(runs.db, None, runs.clock, Deadline.after(60), lambda: False)  # type: ignore[arg-type]
    (finding,) = look_at_workflows(inspection).findings
    assert (finding.what, finding.details["other"]) == ("no trigger for what it listens to", "disabled")


@pytest.mark.parametrize("what", ["waits for nothing", "queued behind nothing"])
def test_what_a_crash_left_behind_is_repaired_by_the_next_round(runs: RunHarness, what: str) -> None:
    lived(runs)
    plant(runs, FAULTS[what])
    assert sum(repair_runs(runs.db, runs.now)) == 1
    runs.tick()
    assert what not in found(runs)


def test_runs_of_a_paused_workflow_and_those_with_an_incident_of_their_own_are_no_finding(runs: RunHarness) -> None:
    lived(runs)
    plant(runs, FAULTS["due for more than an hour"])
    runs.rows("update workflows set paused_at = now() returning id")
    assert found(runs) == []

    runs.rows("update workflows set paused_at = null returning id")
    runs.rows(
        "insert into incidents (kind, subject, title, opened_at) select 'workflow_run_refused', id::text, 'x', now()"
        " from workflow_executions returning id"
    )
    assert found(runs) == []
