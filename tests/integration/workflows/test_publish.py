"""Publishing makes a version for ever, listens for it, and refuses what could go wrong later."""

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.definition.deactivate import deactivate
from crm_relay.workflows.definition.program_json import program_from_json
from crm_relay.workflows.definition.publish import publish
from crm_relay.workflows.models import StepKind, TriggerKind
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import one
from tests.support.workflows.definitions import NOW, TASK, WON, DefinitionShelf, field_change, refusal_of, write


def test_a_published_workflow_has_a_version_a_listener_and_a_trigger(shelf: DefinitionShelf) -> None:
    workflow = shelf.add("Won deals")
    published = publish(shelf.db, workflow, NOW, who="ada")
    assert (published.name, published.version, published.changed, published.is_heard) == ("Won deals", 1, True, True)
    assert shelf.versions(workflow) == [(1, True, "ada")]
    assert (shelf.row(workflow)["is_active"], shelf.row(workflow)["version"]) == (True, 1)
    assert shelf.topics(workflow) == {("deal", "status")}
    version = one(shelf.db, "select * from workflow_versions where workflow_id = :id", id=workflow)
    program = program_from_json(version["program"])
    assert (program.triggers[0].kind, program.triggers[0].becomes) == (TriggerKind.STATUS_CHANGE, "won")
    assert program.steps[0].kind is StepKind.CREATE_TASK
    assert version["definition"] == shelf.row(workflow)["definition"]
    shelf.sql("insert into deals (name, status) values ('Big', 'open')")
    shelf.sql("update deals set status = 'won'")
    changed = shelf.sql("select changed from entity_events order by id")[-1]["changed"]
    assert changed == {"status": ["open", "won"]}


def test_what_happened_before_a_publication_is_older_than_what_it_starts_from(shelf: DefinitionShelf) -> None:
    before = one(shelf.db, "select clock_timestamp() as at")["at"]
    workflow = shelf.add("Won deals")
    publish(shelf.db, workflow, NOW - timedelta(days=400))
    after = one(shelf.db, "select clock_timestamp() as at")["at"]
    assert before < one(shelf.db, "select starts_from from workflow_versions")["starts_from"] < after


def test_publishing_again_changes_nothing_and_a_new_definition_is_a_new_version(shelf: DefinitionShelf) -> None:
    workflow = shelf.add("Won deals")
    publish(shelf.db, workflow, NOW)
    again = publish(shelf.db, workflow, NOW)
    assert (again.version, again.changed) == (1, False)
    shelf.rewrite(workflow, triggers=[field_change("value")])
    assert publish(shelf.db, workflow, NOW).version == 2
    assert [(number, active) for number, active, _ in shelf.versions(workflow)] == [(1, False), (2, True)]
    assert shelf.topics(workflow) == {("deal", "value")}
    ended = one(shelf.db, "select ended_at, definition from workflow_versions where version = 1")
    assert ended["ended_at"] is not None
    assert ended["definition"]["triggers"] == [WON]


def test_two_publishers_at_once_make_one_version(shelf: DefinitionShelf, database_url: str) -> None:
    workflow = shelf.add("Won deals")
    outcomes: list[bool] = []
    together = threading.Barrier(4)

    def publisher() -> None:
        database = Database(database_url)
        together.wait()
        outcomes.append(publish(database, workflow, NOW).changed)
        database.close()

    threads = [threading.Thread(target=publisher) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False, False, False, True]
    assert shelf.versions(workflow) == [(1, True, "operator")]


def test_two_workflows_that_make_a_circle_are_never_published_both(shelf: DefinitionShelf, database_url: str) -> None:
    for number in range(5):
        one_way = shelf.add("There", triggers=[field_change("stage")], actions=[write("name", f"{number}")])
        other = shelf.add("Back", triggers=[field_change("name")], actions=[write("stage", f"{number}")])
        outcomes: list[str] = []
        together = threading.Barrier(2)

        def publisher(workflow: UUID, outcomes: list[str] = outcomes, together: threading.Barrier = together) -> None:
            database = Database(database_url)
            together.wait()
            try:
                publish(database, workflow, NOW)
                outcomes.append("published")
            except RejectedInput as error:
                outcomes.append(error.details[0])
            database.close()

        threads = [threading.Thread(target=publisher, args=(each,)) for each in (one_way, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert min(outcomes) == "published"
        assert max(outcomes).startswith("settings.guard: workflows would start each other: ")
        for each in (one_way, other):
            deactivate(shelf.db, each, NOW)


def test_a_circle_is_refused_by_its_path_and_allowed_with_its_guard(shelf: DefinitionShelf) -> None:
    publish(shelf.db, shelf.add("First", triggers=[field_change("stage")], actions=[write("name", "x")]), NOW)
    back = shelf.add("Second", triggers=[field_change("name")], actions=[write("stage", "x")])
    assert refusal_of(shelf, back) == (
        "settings.guard: workflows would start each other: "
        "Second (writes deal.stage) -> First (writes deal.name) -> Second"
    )
    parts: dict[str, Any] = {"triggers": [field_change("name")], "actions": [write("stage", "x")]}
    shelf.rewrite(back, **parts, settings={"guard": "the cool-down of a day"})
    assert publish(shelf.db, back, NOW).changed
    elsewhere = one(shelf.db, "insert into organizations (name) values ('Other') returning id")["id"]
    assert publish(shelf.db, shelf.add("Second", org=elsewhere, **parts), NOW).changed


def test_the_catalog_of_the_organization_is_asked(shelf: DefinitionShelf) -> None:
    ada, gone, stranger = shelf.colleague(), shelf.colleague("Gone"), shelf.colleague(role="boss")
    shelf.sql("update user_profiles set is_active = false where id = :id", id=gone)
    other = one(shelf.db, "insert into organizations (name) values ('Other') returning id")["id"]
    shelf.sql("update user_profiles set org_id = :org where id = :id", org=other, id=stranger)
    template, foreign = uuid4(), uuid4()
    for each, org, text in ((template, shelf.org, "Hi {{contact.first_name}}"), (foreign, other, "Hi")):
        shelf.sql(
            "insert into email_templates (id, org_id, name, slug, subject, body_html) "
            "values (:id, :org, 'T', :slug, 'S', :text)",
            id=each, org=org, slug=f"slug-{each}", text=text,
        )  # fmt: skip
    good: list[dict[str, Any]] = [
        {"type": "send_email", "config": {"templateId": str(template)}},
        {"type": "send_email", "config": {"templateSlug": f"slug-{template}"}},
        {
            "type": "send_notification",
            "config": {"templateSlug": "deal_closed_won", "role": "sales", "userId": str(ada)},
        },
    ]
    assert publish(shelf.db, shelf.add("Good", actions=good), NOW).changed
    bad = [
        {"type": "send_email", "config": {"templateId": str(foreign)}},
        {"type": "send_notification", "config": {"templateSlug": "nothing", "role": "boss", "userId": str(gone)}},
        {"type": "assign", "config": {"assigneeType": "round_robin", "pool": [str(ada), str(stranger)]}},
    ]
    assert refusal_of(shelf, shelf.add("Bad", actions=bad)).splitlines() == [
        "actions[0].config.templateId: this organization has no active e-mail template of this name",
        "actions[1].config.userId: no active colleague of this organization has this id",
        "actions[1].config.role: no active colleague of this organization has this role",
        "actions[1].config.templateSlug: there is no active notification template of this name",
        "actions[2].config.pool[1]: no active colleague of this organization has this id",
    ]


def test_columns_of_the_application_may_be_named_and_listened_to(shelf: DefinitionShelf) -> None:
    workflow = shelf.add(
        "Scored", triggers=[field_change("score")], conditions=[{"field": "score", "operator": "gt", "value": 5}]
    )
    assert "deals has no column score" in refusal_of(shelf, workflow)
    shelf.sql("alter table deals add column score integer")
    assert publish(shelf.db, workflow, NOW).is_heard
    assert shelf.topics(workflow) == {("deal", "score")}


def test_nothing_is_written_where_a_definition_is_refused(shelf: DefinitionShelf) -> None:
    workflow = shelf.add("Bad", actions=[write("org_id", str(uuid4()))], states=[{"id": "new"}])
    assert "actions[0].config.field: a column that a workflow may write" in refusal_of(shelf, workflow)
    for table in ("workflow_versions", "workflow_states", "workflow_listeners", "workflow_schedules"):
        assert shelf.sql(f"select from {table}") == []
    assert not shelf.row(workflow)["is_active"]


def test_a_workflow_that_is_gone_is_not_published(shelf: DefinitionShelf) -> None:
    deleted = shelf.add("Deleted")
    shelf.sql("update workflows set deleted_at = now() where id = :id", id=deleted)
    for workflow in (deleted, uuid4()):
        with pytest.raises(RejectedInput, match="no such workflow"):
            publish(shelf.db, workflow, NOW)


def test_a_deactivated_workflow_hears_nothing_and_keeps_its_versions(shelf: DefinitionShelf) -> None:
    daily = {"type": "scheduled", "cron": "0 9 * * *"}
    workflow = shelf.add("Won deals", triggers=[WON, daily])
    publish(shelf.db, workflow, NOW)
    assert deactivate(shelf.db, workflow, NOW).changed
    assert not deactivate(shelf.db, workflow, NOW).changed
    assert shelf.versions(workflow) == [(1, False, "operator")]
    assert (shelf.topics(workflow), shelf.schedules(workflow)) == (set(), {})
    assert not shelf.row(workflow)["is_active"]
    shelf.sql("insert into deals (name, status) values ('Big', 'won')")
    assert shelf.sql("select from entity_events") == []
    assert publish(shelf.db, workflow, NOW).version == 2
    with pytest.raises(RejectedInput, match="no such workflow"):
        deactivate(shelf.db, uuid4(), NOW)


def test_a_publication_costs_the_same_whatever_is_published_already(shelf: DefinitionShelf, database_url: str) -> None:
    proxy = CountingProxy(database_url)
    with proxy:
        database = Database(proxy.url)
        counts = []
        for others in (0, 20):
            for number in range(others):
                publish(shelf.db, shelf.add(f"Other {number}"), NOW)
            workflow = shelf.add(
                "Counted", actions=[TASK] * (1 + others), states=[{"id": f"s{n}"} for n in range(1 + others)]
            )
            database.run_script("select 1")
            proxy.forget()
            publish(database, workflow, NOW)
            counts.append(len(proxy.queries))
        database.close()
    # The last one asks since when it is heard.
    assert counts[0] == counts[1] <= 8
