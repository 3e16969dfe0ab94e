"""An erased person: runs about them end, and workflows keep nothing that says who they were."""

import json
from uuid import UUID

import pytest

from crm_relay.consent.person import Person
from crm_relay.consent.traces import Traces
from crm_relay.platform.database import Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Json, SqlValue
from crm_relay.workflows.engine.sweeps import wake_waiting
from crm_relay.workflows.operations.erase import (
    SEARCHED,
    count_in_workflows,
    erase_in_workflows,
    erase_workflows,
    redact_mentions,
)
from crm_relay.workflows.operations.steer import RunChange, change_runs
from crm_relay.workflows.webhooks_out.operate import retry_webhook
from tests.support.operations.planted_runs import plant_runs
from tests.support.platform.rows import parse
from tests.support.workflows.run_harness import RunHarness, chain, step

ADA = Person(frozenset({"ada@example.com"}), frozenset({"+61491570156"}))


def planted(runs: RunHarness, name: str) -> UUID:
    contact = runs.contact(name, first_name=f"{name}mantia")
    plant_runs(runs.db, contact, f"{name}mantia", f"{name}@example.com")
    return contact


def kept(runs: RunHarness) -> str:
    """Everything that the tables of workflows say, and what runs have made."""
    tables = [*SEARCHED, "activities", "notifications"]
    return "\n".join(sorted(row["r"] for each in tables for row in runs.rows(f"select r::text from {each} r"))).lower()


def test_nothing_of_the_person_is_left_and_nothing_of_others_is_gone(runs: RunHarness) -> None:
    runs.person()
    planted(runs, "ada")
    planted(runs, "bea")
    before = kept(runs)
    assert before.count("ada@example.com") > 10

    counted = count_in_workflows(runs.db, ADA)
    reached = erase_workflows(runs.db, ADA, runs.now)

    after = kept(runs)
    assert (counted["entity_events"], counted["workflow_executions"]) == (1, 2)
    assert (reached["entity_events"], reached["workflow_executions"], reached["cancelled runs"]) == (1, 1, 1)
    assert (reached["workflow_webhooks"], reached["activities"], reached["notifications"]) == (2, 2, 2)
    assert "adamantia" not in after
    assert "ada@" not in after
    for trace in ("beamantia", "bea@example.com"):
        assert after.count(trace) == before.count(trace) > 0


def test_it_can_be_repeated(runs: RunHarness) -> None:
    planted(runs, "ada")
    erase_workflows(runs.db, ADA, runs.now)
    before = kept(runs)

    erase_workflows(runs.db, ADA, runs.now)

    assert kept(runs) == before


def test_a_run_about_the_person_is_cancelled_and_says_why(runs: RunHarness) -> None:
    run = runs.run(
        chain(step("wait", days=1), step("create_task", title="x"), entity_type="contact"),
        runs.contact(),
        entity_type="contact",
    )
    runs.tick()

    erase_workflows(runs.db, ADA, runs.now)
    runs.wait(days=2)
    runs.tick()

    row = runs.execution(run)
    assert (row["status"], row["error_message"], row["next_run_at"]) == ("cancelled", "erased", None)
    assert runs.activities() == []
    assert "run cancelled" in runs.log(run)


def test_a_run_of_a_deal_goes_on_without_the_contact_and_its_request_says_why_it_failed(runs: RunHarness) -> None:
    body = {"who": "{{contact.first_name|nobody}}"}
    program = chain(step("webhook", url="https://hooks.example.com/in", body=body), step("create_task", title="x"))
    deal = runs.deal(lead_contact_id=runs.contact())
    run = runs.run(program, deal)
    runs.tick()

    erase_workflows(runs.db, ADA, runs.now)
    runs.rows("update contacts set deleted_at = now(), email = null, first_name = null returning id")
    wake_waiting(runs.db, runs.now)
    runs.tick()

    hook = runs.one("select * from workflow_webhooks")
    assert (hook["state"], hook["reason"], hook["body"], hook["headers"]) == ("cancelled", "erased", "{}", {})
    assert runs.status(run) == "failed"
    assert runs.execution(run)["error_message"].endswith("the webhook was not delivered: erased")
    with pytest.raises(RejectedInput):
        retry_webhook(runs.db, hook["id"], runs.now)

    change_runs(runs.db, RunChange.RETRY, runs.now, runs=[run])
    runs.tick()

    again = runs.one("select * from workflow_webhooks")
    assert (again["state"], json.loads(again["body"]), again["id"]) == ("waiting", {"who": "nobody"}, hook["id"])


def test_a_request_that_is_under_way_is_not_repeated(runs: RunHarness) -> None:
    planted(runs, "ada")
    runs.rows(
        "update workflow_webhooks set state = 'sending', fence = 7, leased_until = now() + interval '1 hour'"
        " returning id"
    )

    erase_workflows(runs.db, ADA, runs.now)

    rows = runs.rows("select distinct state, fence, leased_until from workflow_webhooks")
    assert rows == [{"state": "cancelled", "fence": 8, "leased_until": None}]


def test_what_was_delivered_stays_delivered(runs: RunHarness) -> None:
    planted(runs, "ada")
    runs.rows("update workflow_webhooks set state = 'delivered' returning id")

    erase_workflows(runs.db, ADA, runs.now)

    assert runs.rows("select distinct state, reason, body from workflow_webhooks") == [
        {"state": "delivered", "reason": None, "body": "{}"}
    ]


def test_taking_a_person_away_becomes_no_event(runs: RunHarness) -> None:
    workflow = runs.workflow(chain(step("create_task", title="x"), entity_type="contact"))
    runs.rows(
        "insert into workflow_listeners (workflow_id, org_id, entity_type, topic)"
        " values (:id, :org, 'contact', 'email') returning topic",
        id=workflow,
        org=runs.org,
    )
    runs.rows("select * from listen_to_changes()")
    contact = runs.contact()

    def change(*, erased: bool) -> int:
        def work(tx: Transaction) -> None:
            if erased:
                erase_in_workflows(tx, ADA, runs.now)
            address = None if erased else "ada@example.com"
            tx.run(parse("update contacts set email = :email where id = :id"), id=contact, email=address)

        runs.db.transact(work)
        return len(runs.rows("select id from entity_events where changed::text like '%ada@%'"))

    runs.rows("update contacts set email = 'other@example.com' where id = :id returning id", id=contact)
    runs.rows("delete from entity_events returning id")
    assert change(erased=False) == 1
    assert change(erased=True) == 0


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        (
            "workflows",
            "definition",
            Json({"to": "Ada@Example.com", "n": [61491570156, 7], "t": "call 61491570156, soon"}),
        ),
        ("workflow_versions", "program", Json({"to": "ada@example.com"})),
        ("workflow_executions", "start_key", "api:ada@example.com"),
        ("workflow_executions", "trigger_event", Json({"payload": {"who": "ada@example.com"}})),
    ],
)
def test_a_mention_anywhere_is_replaced(runs: RunHarness, table: str, column: str, value: SqlValue) -> None:
    runs.run(chain(step("create_task", title="x")))
    runs.rows(f"update {table} set {column} = :value returning 1", value=value)

    assert redact_mentions(runs.db, Traces(ADA), [table, "contacts"]) == {table: 1}

    found = runs.one(f"select {column} as value from {table}")["value"]
    assert "ada@" not in json.dumps(found).lower()
    assert "61491570156" not in json.dumps(found)
    assert "redacted" in json.dumps(found)
    assert redact_mentions(runs.db, Traces(ADA), [table]) == {table: 0}


def test_somebody_whose_address_ends_alike_is_not_replaced(runs: RunHarness) -> None:
    runs.run(chain(step("create_task", title="x")))
    runs.rows("update workflows set definition = :d returning id", d=Json({"to": "nada@example.com"}))

    assert redact_mentions(runs.db, Traces(ADA), SEARCHED)["workflows"] == 0


def test_an_event_that_waits_starts_nothing_for_the_erased(runs: RunHarness) -> None:
    planted(runs, "ada")

    erase_workflows(runs.db, ADA, runs.now)

    assert runs.rows("select id from entity_events where handled_at is null") == []
