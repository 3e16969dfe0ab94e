"""Workflows are made from files, found, listed and shown."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml

from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.definition.drafts import create, find_workflow, list_workflows, save, show_workflow
from crm_relay.workflows.definition.publish import publish
from tests.support.workflows.definitions import NOW, TASK, WON, DefinitionShelf, definition, write

FILE: dict[str, Any] = {"name": "Won deals", "description": "Calls", "entityType": "deal", **definition()}


def test_a_file_becomes_a_draft_that_starts_nothing(shelf: DefinitionShelf) -> None:
    ada = shelf.colleague()
    made = create(shelf.db, FILE | {"ownerId": str(ada)})
    assert (made.name, made.problems, made.is_active) == ("Won deals", (), False)
    row = shelf.row(made.id)
    assert row["definition"] == {"triggers": [WON], "actions": [TASK]}
    assert (row["org_id"], row["entity_type"], row["owner_id"], row["is_active"]) == (shelf.org, "deal", ada, False)
    assert shelf.sql("select from workflow_versions") == []
    assert shelf.sql("select from workflow_listeners where not is_watched") == []
    assert publish(shelf.db, made.id, NOW).version == 1


def test_the_definition_may_stand_in_a_part_of_its_own_and_the_file_may_be_yaml(shelf: DefinitionShelf) -> None:
    text = """
    name: Renewals
    entity_type: deal
    definition:
      triggers:
        - {type: scheduled, cron: 0 9 * * MON, filter: [{field: closed_at, operator: lt, value: 2026-12-01}]}
      actions:
        - {type: create_task, config: {title: Call}}
    """
    made = create(shelf.db, yaml.safe_load(text))
    asked = shelf.row(made.id)["definition"]["triggers"][0]["filter"][0]
    assert asked["value"] == "2026-12-01"
    assert made.problems == ()


def test_what_would_be_refused_is_said_when_the_draft_is_made(shelf: DefinitionShelf) -> None:
    made = create(shelf.db, FILE | {"actions": [write("org_id", "x")]})
    assert len(made.problems) == 1
    assert made.problems[0].startswith("actions[0].config.field: a column that a workflow may write")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": ""}, "name: String should have at least 1 character"),
        ({"name": 5}, "name: Input should be a valid string"),
        ({"entityType": None}, "entityType: Input should be a valid string"),
        ({"definition": {}}, "definition: the file has one, so its triggers and actions belong there"),
        ({"ownerId": str(uuid4())}, "ownerId: no active colleague of this organization has this id"),
        ({"actions": {1, 2}}, "file: a value that JSON does not have"),
        ({5: 1}, "file: a name that is no text"),
    ],
)
def test_a_file_that_is_no_workflow_is_refused(shelf: DefinitionShelf, changes: dict[Any, Any], problem: str) -> None:
    with pytest.raises(RejectedInput, match="the file is no workflow") as refused:
        create(shelf.db, FILE | changes)
    assert refused.value.status == 422
    assert problem in "\n".join(refused.value.details)
    assert shelf.sql("select from workflows") == []


def test_a_command_that_is_repeated_makes_no_second_workflow(shelf: DefinitionShelf) -> None:
    first = create(shelf.db, FILE)
    with pytest.raises(RejectedInput, match="there already") as refused:
        create(shelf.db, FILE)
    assert refused.value.status == 409
    other = shelf.sql("insert into organizations (name) values ('Other') returning id")[0]["id"]
    elsewhere = create(shelf.db, FILE, org_id=other)
    assert shelf.row(elsewhere.id)["org_id"] == other
    shelf.sql("update workflows set deleted_at = now() where id = :id", id=first.id)
    assert create(shelf.db, FILE).id not in {first.id, elsewhere.id}


def test_a_file_takes_the_place_of_a_draft_and_not_of_what_runs(shelf: DefinitionShelf) -> None:
    made = create(shelf.db, FILE)
    publish(shelf.db, made.id, NOW)
    saved = save(shelf.db, made.id, FILE | {"description": None, "actions": [TASK, TASK]})
    assert (saved.id, saved.is_active, saved.problems) == (made.id, True, ())
    shown = show_workflow(shelf.db, made.id)
    assert (shown.workflow.active_version, shown.workflow.has_changes, shown.workflow.description) == (1, True, "Calls")
    assert shown.versions[0].definition["actions"] == [TASK]
    publish(shelf.db, made.id, NOW)
    shown = show_workflow(shelf.db, made.id)
    assert (shown.workflow.active_version, shown.workflow.has_changes) == (2, False)
    assert [(each.version, each.is_active) for each in shown.versions] == [(2, True), (1, False)]
    with pytest.raises(RejectedInput, match="no such workflow"):
        save(shelf.db, uuid4(), FILE)


def test_a_workflow_is_found_by_its_id_or_its_name(shelf: DefinitionShelf) -> None:
    made = create(shelf.db, FILE).id
    assert find_workflow(shelf.db, "Won deals") == find_workflow(shelf.db, str(made)) == made
    other = shelf.sql("insert into organizations (name) values ('Other') returning id")[0]["id"]
    elsewhere = create(shelf.db, FILE, org_id=other).id
    with pytest.raises(RejectedInput, match="several") as refused:
        find_workflow(shelf.db, "Won deals")
    assert refused.value.status == 409
    assert find_workflow(shelf.db, "Won deals", org_id=other) == elsewhere
    called_like_an_id = create(shelf.db, FILE | {"name": str(made)}).id
    assert find_workflow(shelf.db, str(made)) == made != called_like_an_id
    for called in ("nothing", str(uuid4())):
        with pytest.raises(RejectedInput, match="no such workflow"):
            find_workflow(shelf.db, called)


def test_workflows_are_listed_in_pages_by_their_names(shelf: DefinitionShelf) -> None:
    ids = {name: create(shelf.db, FILE | {"name": name}).id for name in ("c", "a", "b")}
    publish(shelf.db, ids["b"], NOW, who="ada")
    shelf.sql("update workflows set deleted_at = now() where id = :id", id=create(shelf.db, FILE | {"name": "0"}).id)
    first = list_workflows(shelf.db, limit=2)
    assert [(line.name, line.is_active, line.active_version, line.published_by) for line in first] == [
        ("a", False, None, None), ("b", True, 1, "ada"),
    ]  # fmt: skip
    rest = list_workflows(shelf.db, after=(first[-1].name, first[-1].id), limit=2)
    assert [line.name for line in rest] == ["c"]
    assert list_workflows(shelf.db, org_id=uuid4()) == []
    with pytest.raises(RejectedInput, match="no such workflow"):
        show_workflow(shelf.db, UUID(int=5))


def test_a_workflow_whose_definition_is_no_object_is_shown_as_it_is(shelf: DefinitionShelf) -> None:
    workflow = shelf.add("Odd")
    shelf.sql("update workflows set definition = '[1]'")
    assert show_workflow(shelf.db, workflow).definition == [1]
