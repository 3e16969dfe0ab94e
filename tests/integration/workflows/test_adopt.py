"""What SQL does to rows of workflows is followed, and a bad row stops no others."""

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError
from crm_relay.platform.sql import Json
from crm_relay.workflows.definition.adopt import AdoptReport, adopt
from crm_relay.workflows.definition.drafts import show_workflow
from crm_relay.workflows.definition.publish import publish
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.workflows.definitions import NOW, DefinitionShelf, definition, field_change, write

BAD: list[dict[str, Any]] = [write("org_id", "x")]


def test_nothing_is_done_where_rows_and_versions_agree(shelf: DefinitionShelf) -> None:
    publish(shelf.db, shelf.add("Published"), NOW)
    shelf.add("A draft", actions=BAD)
    assert adopt(shelf.db, NOW) == AdoptReport()
    assert not AdoptReport().has_changed


def test_a_row_that_sql_sets_active_is_adopted_once(shelf: DefinitionShelf) -> None:
    workflow = shelf.add("By SQL", active=True)
    report = adopt(shelf.db, NOW)
    assert (report.adopted, report.has_changed) == ((workflow,), True)
    assert shelf.versions(workflow) == [(1, True, "sql")]
    assert shelf.topics(workflow) == {("deal", "status")}
    assert adopt(shelf.db, NOW) == AdoptReport()


def test_a_definition_that_sql_changes_is_a_new_version(shelf: DefinitionShelf) -> None:
    workflow = shelf.add("Changed")
    publish(shelf.db, workflow, NOW)
    shelf.rewrite(workflow, triggers=[field_change("value")])
    assert adopt(shelf.db, NOW).adopted == (workflow,)
    assert shelf.versions(workflow) == [(1, False, "operator"), (2, True, "sql")]
    shelf.sql("update workflows set entity_type = 'job', definition = :d", d=Json(definition(actions=[TASK_OF_JOB])))
    assert adopt(shelf.db, NOW).adopted == (workflow,)
    assert shelf.topics(workflow) == {("job", "status")}


TASK_OF_JOB = {"type": "create_task", "config": {"title": "Call"}}


def test_a_row_that_cannot_be_published_has_an_incident_until_it_is_mended(shelf: DefinitionShelf) -> None:
    workflow = shelf.add("Bad", active=True, actions=BAD)
    subject = f"{shelf.org}/{workflow}"
    for _ in range(2):
        report = adopt(shelf.db, NOW)
        assert (report.refused, report.has_changed) == ((workflow,), False)
    (problem,) = shelf.incidents()[subject]
    assert problem.startswith("actions[0].config.field: a column that a workflow may write")
    assert show_workflow(shelf.db, workflow).workflow.problems == (problem,)
    assert shelf.versions(workflow) == []
    shelf.rewrite(workflow)
    assert adopt(shelf.db, NOW + timedelta(minutes=1)).adopted == (workflow,)
    assert shelf.incidents() == {}


def test_the_former_version_runs_on_while_a_change_by_sql_is_refused(shelf: DefinitionShelf) -> None:
    workflow = shelf.add("Good, then bad")
    publish(shelf.db, workflow, NOW)
    shelf.rewrite(workflow, actions=BAD)
    assert adopt(shelf.db, NOW).refused == (workflow,)
    assert shelf.versions(workflow) == [(1, True, "operator")]
    assert shelf.topics(workflow) == {("deal", "status")}
    shelf.rewrite(workflow)
    assert adopt(shelf.db, NOW) == AdoptReport()
    assert shelf.incidents() == {}


@pytest.mark.parametrize("change", ["is_active = false", "deleted_at = now()"])
def test_an_incident_ends_with_the_row_that_it_is_about(shelf: DefinitionShelf, change: str) -> None:
    shelf.add("Bad", active=True, actions=BAD)
    adopt(shelf.db, NOW)
    shelf.sql(f"update workflows set {change}")
    adopt(shelf.db, NOW)
    assert shelf.incidents() == {}


def test_an_incident_ends_with_a_row_that_is_gone_and_with_a_publication(shelf: DefinitionShelf) -> None:
    gone, mended = (shelf.add(name, active=True, actions=BAD) for name in ("Gone", "Mended"))
    adopt(shelf.db, NOW)
    assert len(shelf.incidents()) == 2
    shelf.sql("delete from workflows where id = :id", id=gone)
    shelf.rewrite(mended)
    publish(shelf.db, mended, NOW)
    adopt(shelf.db, NOW)
    assert shelf.incidents() == {}


@pytest.mark.parametrize("change", ["is_active = false", "deleted_at = now()", "is_active = false, deleted_at = now()"])
def test_a_row_that_sql_sets_inactive_or_deletes_ends_its_version(shelf: DefinitionShelf, change: str) -> None:
    ended, other = shelf.add("Ended"), shelf.add("Other")
    for workflow in (ended, other):
        publish(shelf.db, workflow, NOW)
    shelf.sql(f"update workflows set {change} where id = :id", id=ended)
    report = adopt(shelf.db, NOW)
    assert (report.ended, report.has_changed) == ((ended,), True)
    assert shelf.versions(ended) == [(1, False, "operator")]
    assert (shelf.topics(ended), shelf.topics(other)) == (set(), {("deal", "status")})
    assert not shelf.row(ended)["is_active"]
    assert adopt(shelf.db, NOW) == AdoptReport()


def test_one_bad_row_stops_nobody_else_in_whatever_way_it_is_bad(shelf: DefinitionShelf) -> None:
    other = shelf.sql("insert into organizations (name) values ('Other') returning id")[0]["id"]
    good = [shelf.add(f"Good {number}", active=True, org=org) for number, org in enumerate([shelf.org, other])]
    shelf.add("Bad step", active=True, actions=BAD)
    odd: list[Any] = [[], "text", 5, None, {"triggers": {}}, {"actions": [[]]}]
    for stored in odd:
        shelf.sql(
            "update workflows set definition = :d where id = :id", d=Json(stored), id=shelf.add("Bad", active=True)
        )
    shelf.sql("update workflows set entity_type = 'planet' where id = :id", id=shelf.add("Bad entity", active=True))
    report = adopt(shelf.db, NOW)
    assert set(report.adopted) == set(good)
    assert len(report.refused) == len(shelf.incidents()) == 8
    assert report.failed == ()


def test_a_row_that_the_database_refuses_is_bisected_and_tried_again(
    shelf: DefinitionShelf,
) -> None:
    good = [shelf.add(f"Good {number}", active=True) for number in range(3)]
    bad = shelf.add("Refused", active=True)
    shelf.sql(
        "create function refuse_version() returns trigger language plpgsql as "
        "$$ begin raise exception using errcode = 'check_violation'; end $$"
    )
    shelf.sql(
        f"create trigger refuse before insert on workflow_versions for each row when (new.workflow_id = '{bad}') "
        "execute function refuse_version()"
    )
    report = adopt(shelf.db, NOW)
    assert (set(report.adopted), report.failed) == (set(good), (bad,))
    shelf.sql("drop trigger refuse on workflow_versions")
    assert adopt(shelf.db, NOW).adopted == (bad,)


def test_rows_that_stay_refused_never_keep_others_waiting(
    shelf: DefinitionShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        shelf.add(f"Bad {number}", active=True, actions=BAD)
    assert len(adopt(shelf.db, NOW, limit=10).refused) == 6
    good = [shelf.add(f"Good {number}", active=True) for number in range(3)]
    report = adopt(shelf.db, NOW, limit=3)
    assert set(report.adopted) == set(good)
    looked_at = {
        workflow
        for minute in range(40)
        for workflow in adopt(shelf.db, NOW + timedelta(minutes=minute), limit=2).refused
    }
    assert len(looked_at) == 6


def test_two_rows_that_make_a_circle_are_not_adopted_both(shelf: DefinitionShelf) -> None:
    shelf.add("There", active=True, triggers=[field_change("stage")], actions=[write("name", "x")])
    shelf.add("Back", active=True, triggers=[field_change("name")], actions=[write("stage", "x")])
    report = adopt(shelf.db, NOW)
    assert (len(report.adopted), len(report.refused)) == (1, 1)
    ((problem,),) = shelf.incidents().values()
    assert problem.startswith("settings.guard: workflows would start each other: ")


def test_two_who_adopt_at_once_make_one_version_of_each(shelf: DefinitionShelf, database_url: str) -> None:
    workflows = {shelf.add(f"Good {number}", active=True) for number in range(5)}
    adopted: list[UUID] = []
    together = threading.Barrier(3)

    def adopter() -> None:
        database = Database(database_url)
        together.wait()
        adopted.extend(adopt(database, NOW).adopted)
        database.close()

    threads = [threading.Thread(target=adopter) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(adopted) == sorted(workflows)
    assert all(shelf.versions(workflow) == [(1, True, "sql")] for workflow in workflows)


def test_a_published_program_that_cannot_be_read_stops_no_publication(shelf: DefinitionShelf) -> None:
    publish(shelf.db, shelf.add("Of another version"), NOW)
    shelf.sql('update workflow_versions set program = \'{"entity_type": "planet"}\'')
    assert publish(shelf.db, shelf.add("New"), NOW).changed


def test_adopting_costs_the_same_for_one_and_for_fifty(shelf: DefinitionShelf, database_url: str) -> None:
    counts = []
    with CountingProxy(database_url) as proxy:
        database = Database(proxy.url)
        adopt(database, NOW)
        proxy.forget()
        adopt(database, NOW)
        assert len(proxy.queries) == 1
        for number in (1, 50):
            for each in range(number):
                shelf.add(f"Good {number} {each}", active=True)
                shelf.add(f"Bad {number} {each}", active=True, actions=BAD)
            proxy.forget()
            report = adopt(database, NOW)
            assert (len(report.adopted), len(report.refused)) == (number, number if number == 1 else 50)
            counts.append(len(proxy.queries))
            shelf.sql("delete from workflows where name like 'Bad%'")
            adopt(shelf.db, NOW)
        database.close()
    assert counts[0] == counts[1] <= 8


def test_a_fault_of_the_whole_ends_the_call(shelf: DefinitionShelf) -> None:
    shelf.add("Good", active=True)
    shelf.sql("alter table workflow_versions rename to elsewhere")
    with pytest.raises(FatalError):
        adopt(shelf.db, NOW)
