"""What `crm-relay why` says of somebody's runs, and of what did not start for them."""

from datetime import timedelta

from cli.why import in_lines
from crm_relay.consent.person import Person
from crm_relay.operations.explain import explain_person
from crm_relay.workflows.overview.of_person import LATEST, workflows_of
from tests.support.workflows.run_harness import RunHarness, chain, step

ADA = Person(frozenset({"ada@example.com"}))


def refuse(runs: RunHarness, entity_type: str, entity_id: object, reason: str) -> None:
    runs.rows(
        "insert into workflow_start_decisions"
        " (org_id, workflow_id, entity_type, entity_id, verdict, reason, explanation, decided_at)"
        " select org_id, id, :type, cast(:id as uuid), 'not_started', :reason, '[{\"actual\": \"secret\"}]', :now"
        " from workflows limit 1 returning id",
        type=entity_type,
        id=str(entity_id),
        reason=reason,
        now=runs.now,
    )


def test_runs_about_the_contact_and_a_deal_that_names_it_are_listed_the_newest_first(runs: RunHarness) -> None:
    ada = runs.contact()
    waits = chain(step("wait", days=1), entity_type="contact")
    first = runs.start(runs.workflow(waits, name="First"), ada, entity_type="contact")
    runs.tick()
    runs.wait(hours=1)
    second = runs.start(
        runs.workflow(chain(step("create_task", title="x")), name="Second"), runs.deal(lead_contact_id=ada)
    )
    runs.run(chain(step("create_task", title="x")), runs.deal("Somebody else's", lead_contact_id=runs.contact("bea")))

    known = workflows_of(runs.db, ADA)

    assert [(row["execution_id"], row["name"], row["status"]) for row in known.runs] == [
        (second, "Second", "pending"),
        (first, "First", "running"),
    ]
    assert known.runs[1]["next_run_at"] == runs.now - timedelta(hours=1) + timedelta(days=1)


def test_what_did_not_start_is_listed_with_its_gate_and_without_values(runs: RunHarness) -> None:
    ada = runs.contact()
    runs.workflow(chain(step("create_task", title="x")), name="Welcome")
    refuse(runs, "contact", ada, "conditions")
    refuse(runs, "contact", runs.contact("bea"), "cool_down")

    (row,) = workflows_of(runs.db, ADA).not_started

    assert (row["name"], row["entity_id"], row["reason"]) == ("Welcome", ada, "conditions")
    assert "secret" not in str(row)


def test_the_newest_alone_are_listed(runs: RunHarness) -> None:
    ada = runs.contact()
    workflow = runs.workflow(chain(step("create_task", title="x"), entity_type="contact"))
    for _ in range(LATEST + 2):
        runs.start(workflow, ada, entity_type="contact")
        refuse(runs, "contact", ada, "conditions")

    known = workflows_of(runs.db, ADA)

    assert (len(known.runs), len(known.not_started)) == (LATEST, LATEST)


def test_the_command_says_it_in_lines(runs: RunHarness) -> None:
    ada = runs.contact()
    program = chain(step("wait", days=1), entity_type="contact")
    run = runs.start(runs.workflow(program, name="Welcome"), ada, entity_type="contact")
    runs.tick()
    refuse(runs, "contact", ada, "re_entry")

    known = explain_person(runs.db, "ada@example.com", runs.now)
    lines = in_lines(known)

    assert known.is_anything
    assert "Welcome for contact: running (time), due 2026-11-19" in lines["workflows"]
    assert str(run) in lines["workflows"]
    assert lines["workflows that did not start"].endswith(f"Welcome for contact {ada}: re_entry")
