"""What a publication leaves in the tables of states, listeners and schedules."""

from datetime import timedelta
from uuid import uuid4

from crm_relay.platform.sql import Json
from crm_relay.workflows.definition.deactivate import deactivate
from crm_relay.workflows.definition.program_json import program_from_json
from crm_relay.workflows.definition.publish import publish
from crm_relay.workflows.models import StepKind
from tests.support.platform.rows import one
from tests.support.workflows.definitions import NOW, TASK, DefinitionShelf, refusal_of


def test_states_of_the_definition_get_rows_and_keep_them(shelf: DefinitionShelf) -> None:
    workflow = shelf.add("Stages", actions=[], states=[{"id": "new", "actions": [TASK]}, {"id": "done"}])
    publish(shelf.db, workflow, NOW)
    states = shelf.sql("select id, name, state_type, position from workflow_states order by position")
    assert [(row["name"], row["state_type"], row["position"]) for row in states] == [
        ("new", "initial", 0), ("done", "intermediate", 1),
    ]  # fmt: skip
    program = program_from_json(one(shelf.db, "select program from workflow_versions")["program"])
    assert program.initial_state == states[0]["id"]
    shelf.rewrite(workflow, actions=[], states=[{"id": "new"}, {"id": str(states[1]["id"])}, {"id": "later"}])
    publish(shelf.db, workflow, NOW)
    assert [row["id"] for row in shelf.sql("select id from workflow_states order by position")][:2] == [
        row["id"] for row in states
    ]
    thief = shelf.add("Thief", actions=[], states=[{"id": str(states[0]["id"]), "name": "mine"}])
    assert refusal_of(shelf, thief) == "states: another workflow has the id of mine"


def test_transitions_of_the_tables_are_followed(shelf: DefinitionShelf) -> None:
    workflow = shelf.add("Stages", actions=[], states=[{"id": "new"}, {"id": "won"}, {"id": "lost"}])
    ids = {name: uuid4() for name in ("new", "won", "lost")}
    for name, state in ids.items():
        shelf.sql(
            "insert into workflow_states (id, workflow_id, name) values (:id, :w, :n)", id=state, w=workflow, n=name
        )
    way = uuid4()
    shelf.sql(
        "insert into workflow_transitions (id, workflow_id, from_state_id, to_state_id, config) "
        "values (:id, :w, :a, :b, :config), (gen_random_uuid(), :w, :a, :c, 'null')",
        id=way, w=workflow, a=ids["new"], b=ids["won"], c=ids["lost"],
        config=Json({"conditions": [{"field": "status", "operator": "eq", "value": "won"}]}),
    )  # fmt: skip
    publish(shelf.db, workflow, NOW)
    program = program_from_json(one(shelf.db, "select program from workflow_versions")["program"])
    entered = [step.config for step in program.steps if step.kind is StepKind.TRANSITION]
    assert {"state_id": str(ids["won"]), "state": "won", "transition_id": str(way)} in entered


def test_a_schedule_is_due_next_by_the_clock_of_the_database_and_keeps_what_is_due(shelf: DefinitionShelf) -> None:
    daily = {"type": "scheduled", "cron": "0 9 * * *", "zone": "Europe/Berlin"}
    workflow = shelf.add("Daily", triggers=[{"type": "manual"}, daily])
    publish(shelf.db, workflow, NOW)
    assert shelf.topics(workflow) == set()
    (due,) = shelf.schedules(workflow).values()
    clock = one(shelf.db, "select clock_timestamp() as at")["at"]
    assert clock < due <= clock + timedelta(hours=25)
    overdue = due - timedelta(days=2)
    shelf.sql("update workflow_schedules set next_at = :at, after_id = gen_random_uuid()", at=overdue)
    hourly = {"type": "scheduled", "cron": "0 * * * *"}
    shelf.rewrite(workflow, triggers=[hourly, daily])
    publish(shelf.db, workflow, NOW)
    kept = shelf.schedules(workflow)
    assert kept[1] == overdue
    assert clock < kept[0] <= clock + timedelta(hours=2)
    assert one(shelf.db, "select after_id from workflow_schedules where trigger_index = 1")["after_id"] is not None
    shelf.rewrite(workflow, triggers=[daily])
    publish(shelf.db, workflow, NOW)
    assert shelf.schedules(workflow).keys() == {0}
    assert shelf.schedules(workflow)[0] > clock


def test_what_runs_wait_for_is_listened_to_until_they_are_over(shelf: DefinitionShelf) -> None:
    wait = {"type": "wait", "config": {"untilEvent": "replied", "days": 3}}
    own = {"type": "wait", "config": {"untilEvent": "signed", "days": 3}}
    workflow = shelf.add("Chase", actions=[wait, own, TASK])
    publish(shelf.db, workflow, NOW)
    waits = {("contact", "event:replied"), ("deal", "event:signed")}
    assert shelf.topics(workflow) == waits | {("deal", "status")}
    run = shelf.run(workflow, 1, "running")
    shelf.rewrite(workflow)
    publish(shelf.db, workflow, NOW)
    assert shelf.topics(workflow) == waits | {("deal", "status")}
    deactivate(shelf.db, workflow, NOW)
    assert shelf.topics(workflow) == waits
    shelf.sql("update workflow_executions set status = 'completed' where id = :id", id=run)
    deactivate(shelf.db, workflow, NOW)
    assert shelf.topics(workflow) == set()


def test_columns_that_an_event_has_to_carry_are_listened_to(shelf: DefinitionShelf) -> None:
    workflow = shelf.add("Grown", conditions=[{"field": "event.old.value", "operator": "lt", "value": 5}])
    publish(shelf.db, workflow, NOW)
    assert shelf.topics(workflow) == {("deal", "status"), ("deal", "value")}


def test_the_listeners_of_a_watched_draft_stay(shelf: DefinitionShelf) -> None:
    workflow = shelf.add("Watched")
    shelf.sql(
        "insert into workflow_listeners (workflow_id, org_id, entity_type, topic, is_watched) "
        "values (:id, :org, 'deal', 'name', true)", id=workflow, org=shelf.org,
    )  # fmt: skip
    publish(shelf.db, workflow, NOW)
    assert shelf.topics(workflow) == {("deal", "status"), ("deal", "name")}
    deactivate(shelf.db, workflow, NOW)
    assert shelf.topics(workflow) == {("deal", "name")}
