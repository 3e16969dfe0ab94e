"""Events are kept for drafts and for fields that somebody watches, and it is known since when."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.definition.drafts import create, record, save
from crm_relay.workflows.definition.publish import publish
from crm_relay.workflows.events.watch import (
    Recording,
    list_recordings,
    stop_watching_draft,
    stop_watching_field,
    topic_of,
    watch_field,
)
from crm_relay.workflows.models import EntityType
from tests.support.platform.rows import parse
from tests.support.workflows.event_stage import EventStage

DRAFT: dict[str, Any] = {
    "name": "Won deals",
    "entityType": "deal",
    "triggers": [{"type": "status_change", "field": "stage", "to": "won"}],
    "conditions": [{"field": "event.old.value", "operator": "gt", "value": 5}],
    "actions": [
        {"type": "wait", "config": {"untilEvent": "signed", "days": 2}},
        {"type": "create_task", "config": {"title": "Call"}},
    ],
}


def while_busy(stage: EventStage, table: str, work: Callable[[], Any]) -> None:
    """Somebody writes to the table and has not committed yet."""
    writer = Database(stage.url)

    def write(tx: Transaction) -> None:
        tx.run(parse(f"lock table {table} in row exclusive mode"))
        work()

    writer.transact(write)
    writer.close()


def recorded(stage: EventStage) -> dict[str, Recording]:
    return {each.field: each for each in list_recordings(stage.db, stage.org)}


def since(stage: EventStage, field: str) -> datetime:
    found = recorded(stage)[field].since
    assert found is not None
    return found


def test_saving_a_draft_records_what_it_would_listen_to(stage: EventStage) -> None:
    deal = stage.deal(stage="open", value=10)
    made = create(stage.db, DRAFT)
    assert (made.problems, made.is_recorded) == ((), True)
    stage.update("deals", deal, stage="won")
    stage.update("deals", deal, name="Other")
    assert stage.changes() == [("changed", "stage", {"stage": ["open", "won"]})]
    found = recorded(stage)
    assert set(found) == {"deals.stage", "deals.value", "deals.event:signed"}
    assert {each.workflows for each in found.values()} == {("Won deals",)}
    assert all(each.since is not None and each.since < utc_now() for each in found.values())


def test_another_draft_in_its_place_is_recorded_instead_and_what_both_need_keeps_its_time(stage: EventStage) -> None:
    made = create(stage.db, DRAFT)
    before = since(stage, "deals.stage")
    other = [{"type": "field_change", "field": "stage"}, {"type": "field_change", "field": "name"}]
    save(stage.db, made.id, DRAFT | {"triggers": other, "conditions": []})
    assert since(stage, "deals.stage") == before
    assert since(stage, "deals.name") > before
    assert "deals.value" not in recorded(stage)


def test_a_draft_with_problems_leaves_what_is_recorded_as_it_is(stage: EventStage) -> None:
    made = create(stage.db, DRAFT)
    before = recorded(stage)
    saved = save(stage.db, made.id, DRAFT | {"triggers": [{"type": "field_change", "field": "no_such_column"}]})
    assert (saved.problems != (), saved.is_recorded) == (True, False)
    assert recorded(stage) == before


def test_recording_a_draft_is_ended_and_begun_again(stage: EventStage) -> None:
    made = create(stage.db, DRAFT)
    assert stop_watching_draft(stage.db, made.id, utc_now())
    assert recorded(stage) == {}
    assert not stop_watching_draft(stage.db, made.id, utc_now())
    stage.update("deals", stage.deal(stage="open"), stage="won")
    assert stage.events() == []
    assert record(stage.db, made.id).is_recorded
    stage.update("deals", stage.deal(stage="open"), stage="won")
    assert [kind for kind, _, _ in stage.changes()] == ["created", "changed"]
    with pytest.raises(RejectedInput, match="no such workflow"):
        record(stage.db, UUID(int=7))


def test_a_deleted_draft_is_recorded_no_more(stage: EventStage) -> None:
    made = create(stage.db, DRAFT)
    stage.execute("update workflows set deleted_at = now() where id = :id", id=made.id)
    stage.make_triggers()
    assert recorded(stage) == {}


def test_a_field_is_watched_by_its_name(stage: EventStage) -> None:
    watched = watch_field(stage.db, None, "deals.stage", utc_now(), who="ada")
    assert watched.changed
    assert watched.since is not None
    again = watch_field(stage.db, None, "deals.stage", utc_now(), who="grace")
    assert (again.changed, again.since) == (False, watched.since)
    stage.update("deals", stage.deal(stage="open"), stage="won")
    assert [topic for _, topic, _ in stage.changes()] == ["+", "stage"]
    (found,) = list_recordings(stage.db)
    assert (found.field, found.watched_by, found.workflows) == ("deals.stage", "ada", ())
    ended = stop_watching_field(stage.db, None, "deals.stage", utc_now())
    assert (ended.changed, ended.since) == (True, None)
    assert not stop_watching_field(stage.db, None, "deals.stage", utc_now()).changed


def test_new_records_and_named_events_are_watched_too(stage: EventStage) -> None:
    watch_field(stage.db, None, "contacts.+", utc_now(), who="ada")
    watch_field(stage.db, None, "contacts.event:form", utc_now(), who="ada")
    stage.contact()
    assert [topic for _, topic, _ in stage.changes()] == ["+"]
    assert topic_of("contacts.event:form") == (EntityType.CONTACT, "event:form")


def test_a_watch_of_another_organization_keeps_no_events_of_this_one(stage: EventStage) -> None:
    other = stage.other_org()
    watch_field(stage.db, other, "deals.stage", utc_now(), who="ada")
    stage.update("deals", stage.deal(stage="open"), stage="won")
    assert stage.events() == []
    stage.update("deals", stage.deal(stage="open", org_id=other), stage="won")
    assert {row["org_id"] for row in stage.events()} == {other}
    assert list_recordings(stage.db, stage.org) == []


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("deals", "TABLE.COLUMN"),
        ("api_tokens.name", "TABLE.COLUMN"),
        ("deals.updated_at", "cannot be listened to"),
        ("deals.event:No Name", "cannot be listened to"),
        ("deals.no_such", "no such column"),
    ],
)
def test_what_cannot_be_watched_is_refused(stage: EventStage, field: str, problem: str) -> None:
    with pytest.raises(RejectedInput, match=problem) as refused:
        watch_field(stage.db, None, field, utc_now(), who="ada")
    assert refused.value.status == 422
    assert stage.execute("select from workflow_listeners") == []


def test_what_waits_for_a_busy_table_is_not_called_recorded(stage: EventStage) -> None:

    def work() -> None:
        watched = watch_field(stage.db, None, "deals.stage", utc_now(), who="ada")
        assert (watched.changed, watched.since) == (True, None)

    while_busy(stage, "deals", work)
    stage.make_triggers()
    assert since(stage, "deals.stage") is not None


def test_publishing_says_since_when_it_is_heard(stage: EventStage) -> None:
    made = create(stage.db, DRAFT)
    published = publish(stage.db, made.id, utc_now())
    assert published.listens_since == max(each.since for each in recorded(stage).values() if each.since)
    other = create(stage.db, DRAFT | {"name": "Other", "triggers": [{"type": "field_change", "field": "name"}]})
    stop_watching_draft(stage.db, other.id, utc_now())

    def work() -> None:
        late = publish(stage.db, other.id, utc_now())
        assert (late.is_heard, late.listens_since) == (False, None)

    while_busy(stage, "deals", work)
    stage.make_triggers()
    assert publish(stage.db, other.id, utc_now()).listens_since == since(stage, "deals.name")


def test_rows_that_are_inserted_straight_into_a_partition_are_new_records(stage: EventStage) -> None:
    stage.execute("alter table jobs rename to former_jobs")
    stage.execute("create table jobs (id uuid not null, org_id uuid, title text, status text) partition by hash (id)")
    for part in (0, 1):
        stage.execute(f"create table jobs_{part} partition of jobs for values with (modulus 2, remainder {part})")
    stage.execute(
        "create trigger workflow_created after insert on jobs referencing new table as after_rows"
        " for each statement execute function note_created('job', 'status')"
    )
    watch_field(stage.db, None, "jobs.+", utc_now(), who="ada")
    watch_field(stage.db, None, "jobs.status", utc_now(), who="ada")
    job = stage.add("jobs", title="Engineer")
    for part in (0, 1):
        stage.execute(
            f"insert into jobs_{part} select id, org_id, 'Straight', null from (select gen_random_uuid() as id,"
            f" cast(:org as uuid) as org_id from generate_series(1, 40)) made"
            f" where satisfies_hash_partition('jobs'::regclass, 2, {part}, id)",
            org=stage.org,
        )
    there = {row["id"] for row in stage.execute("select id from jobs")}
    heard = [row["entity_id"] for row in stage.events()]
    assert job in there
    assert len(there) > 2
    assert sorted(heard) == sorted(there), "each once"
    stage.execute("update jobs_0 set status = 'open'")
    changed = [row for row in stage.events() if row["kind"] == "changed"]
    assert len(changed) == len(stage.execute("select from jobs_0")) > 0
    assert stage.make_triggers() == []


def test_what_sql_made_a_listener_of_is_listed_as_it_is(stage: EventStage) -> None:
    stage.execute(
        "insert into workflow_listeners (org_id, entity_type, topic) values (:org, 'invoice', 'paid') returning topic",
        org=stage.org,
    )
    assert [(each.field, each.since) for each in list_recordings(stage.db)] == [("invoice.paid", None)]
