"""The last look of an erasure searches every store; what it finds is named, and the erasure is not complete."""

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.consent.person import Person
from crm_relay.edge_cache.models import SourceRow, WriteOutcome, WriteResult
from crm_relay.edge_cache.record_email import record_email
from crm_relay.edge_cache.replication.push_edits import Push
from crm_relay.edge_cache.replication.replicate import Replication
from crm_relay.operations import last_look
from crm_relay.operations.erase import ErasureScope, erase
from crm_relay.operations.last_look import LastLook
from crm_relay.platform.aws import queue
from crm_relay.platform.clock import Deadline
from tests.faults.conftest import aws, aws_environment
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.planted_columns import plant_everywhere
from tests.support.operations.planted_person import ADA, BEA, Places, erasure
from tests.support.platform.rows import one, rows_of

__all__ = ["aws", "aws_environment"]

PERSON = Person(frozenset({ADA.address.lower(), ADA.second_address}), frozenset({ADA.phone}))
OLD, BROKEN = UUID(int=1), UUID(int=2)


@pytest.fixture
def places(aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Places:
    """An empty AWS, of one server that answers at once."""
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    return Places.fresh(aws_environment)


@pytest.fixture
def edge() -> EdgeTwin:
    """Empty."""
    return EdgeTwin()


@pytest.fixture
def scope(harness: MauticHarness, places: Places, edge: EdgeTwin) -> ErasureScope:
    """Everything that an erasure goes to."""
    return replace(erasure(harness, places), edge=edge)


def look(scope: ErasureScope) -> LastLook:
    return LastLook(PERSON, Deadline.after(60)).at(scope.run.db, scope.edge, scope.deferred)


KEPT_UNTIL_COMPLETE = "unfinished_erasures"
"""It names the person for as long as anything else does."""


# --- tables ---------------------------------------------------------------------------------------------------------


def test_a_person_in_any_column_of_any_table_is_found_and_named(scope: ErasureScope) -> None:
    assert look(scope).found == {}
    planted = [
        each
        for each in plant_everywhere(scope.run.db, [ADA.address, ADA.phone])
        if each.relation != KEPT_UNTIL_COMPLETE
    ]

    found = look(scope)

    assert found.unreached == {}
    rows = Counter(column.relation for column in planted)
    assert dict(found.found) == {relation: 2 * number for relation, number in rows.items()}
    assert len(rows) > 50, "the whole schema"


def test_a_receipt_names_every_table_in_which_the_person_can_still_be_read(scope: ErasureScope) -> None:
    db = scope.run.db
    relations = {column.relation for column in plant_everywhere(db, [ADA.address])} - {KEPT_UNTIL_COMPLETE}

    receipt = erase(scope, ADA.address)

    still = {
        relation
        for relation in relations
        if one(db, f"select count(*) as n from {relation} each where each::text ilike :who", who=f"%{ADA.address}%")[
            "n"
        ]
    }
    assert still, "columns that nobody expects a person in"
    assert not receipt.is_complete
    assert receipt.unreached == {}
    assert still == {place for place in receipt.left if place in relations}


def note(scope: ErasureScope, text: str) -> None:
    rows_of(
        scope.run.db,
        """insert into activities (entity_type, entity_id, type, subject)
           values ('contact', gen_random_uuid(), 'call', :text)""",
        text=text,
    )


@pytest.mark.parametrize(
    "text",
    [
        f"Ada <{ADA.address.upper()}>, and others",
        "https://example.com/?to=ada.quill%2B1%40example.com",
        "aquill@münchen.example",
        "call 61491570156 soon",
        json.dumps({"from": "aquill@münchen.example"}),
    ],
)
def test_however_a_person_is_written_they_are_found(scope: ErasureScope, text: str) -> None:
    note(scope, text)

    assert look(scope).found == {"activities": 1}


def test_somebody_whose_address_ends_alike_is_somebody_else(scope: ErasureScope) -> None:
    note(scope, BEA.address)

    assert look(scope).found == {}


def test_a_table_of_many_parts_is_searched_to_its_end(scope: ErasureScope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_look, "_BLOCKS", 2)
    db = scope.run.db
    db.run_script("create table loyalty_cards (holder text)")
    rows_of(
        db,
        """insert into loyalty_cards
           select case when n in (1, 2500, 5000) then :who else repeat('x', 60) end from generate_series(1, 5000) n""",
        who=ADA.address,
    )

    assert look(scope).found == {"loyalty_cards": 3}


def test_a_look_that_runs_out_of_time_is_not_taken_for_a_clean_one(scope: ErasureScope) -> None:
    found = LastLook(PERSON, Deadline.after(0)).at(scope.run.db, scope.edge, scope.deferred)

    assert {"contacts", "edge"} <= found.unreached.keys()


def test_a_copy_in_a_materialized_view_is_found(scope: ErasureScope) -> None:
    scope.run.db.run_script(f"create materialized view letters as select 'Dear {ADA.address}' as body")

    assert look(scope).found == {"letters": 1}


# --- the edge -------------------------------------------------------------------------------------------------------


def prospect(scope: ErasureScope) -> None:
    rows_of(
        scope.run.db,
        "insert into prospects (id, name, contact_name, contact_email) values (:id, 'Example', 'Ada', :mail)",
        id=OLD,
        mail=ADA.address,
    )
    assert scope.edge is not None
    Replication(scope.run.db, scope.edge, scope.run.now, Deadline.after(60)).run()


def broken_edit(scope: ErasureScope) -> None:
    assert scope.edge is not None
    doc = json.dumps({"id": str(BROKEN), "to_email": ADA.address, "sent_at": "yesterday"})
    scope.edge.edit("emails", BROKEN, doc, edited_at=scope.run.now())


def test_an_item_at_the_edge_is_found_whatever_it_is(scope: ErasureScope, edge: EdgeTwin) -> None:
    prospect(scope)
    record_email(edge, {"id": str(UUID(int=5)), "to_email": ADA.address, "subject": "Hello"}, scope.run.now())
    broken_edit(scope)
    edge.set_config({"last_reader": ADA.address})

    found = look(scope).found

    assert {place: n for place, n in found.items() if place.startswith("edge")} == {
        "edge: prospects": 1,
        "edge: emails": 2,
        "edge: config": 1,
    }


def test_an_edit_that_cannot_be_read_leaves_the_erasure_incomplete_and_is_overwritten_by_the_next_try(
    scope: ErasureScope, edge: EdgeTwin
) -> None:
    broken_edit(scope)

    first = erase(scope, ADA.address)

    assert first.unreached == {"edge, brought in": "1 edits at the edge could not be read, and were parked"}
    second = erase(scope, ADA.address)
    assert second.is_complete, (second.unreached, second.left)
    assert second.reached["edge, overwritten"] == 1
    assert edge.get("emails", [BROKEN])[BROKEN].doc is None
    assert rows_of(scope.run.db, "select from edge_parked") == []


def test_an_edit_that_was_parked_long_ago_does_not_survive_an_erasure(scope: ErasureScope, edge: EdgeTwin) -> None:
    broken_edit(scope)
    Push(scope.run.db, edge, scope.run.now, Deadline.after(60)).run()
    assert edge.count_unsynced() == 0, "out of the index, and still there"

    receipt = erase(scope, ADA.address)

    assert receipt.is_complete, (receipt.unreached, receipt.left)
    assert look(scope).found == {}


class RefusingEdge(EdgeTwin):
    """The edge takes no write, as one that is throttled or full."""

    refuses = False

    def _write_row(self, row: SourceRow, now: object, generation: int | None) -> WriteResult:
        if self.refuses:
            return WriteResult(row, WriteOutcome.FAILED, "throttled")
        return super()._write_row(row, now, generation)  # type: ignore[arg-type]


def test_a_write_that_failed_leaves_the_erasure_incomplete_until_it_succeeds(
    harness: MauticHarness, places: Places
) -> None:
    edge = RefusingEdge()
    scope = replace(erasure(harness, places), edge=edge)
    prospect(scope)
    edge.refuses = True

    first = erase(scope, ADA.address)

    assert first.unreached == {"edge, sent out": "1 rows could not be written to the edge, and were parked"}
    edge.refuses, harness.now = False, harness.now + timedelta(hours=2)
    second = erase(scope, ADA.address)
    assert second.is_complete, (second.unreached, second.left)


def test_a_row_that_had_grown_too_large_for_the_edge_does_not_leave_its_old_copy_there(
    scope: ErasureScope, edge: EdgeTwin
) -> None:
    prospect(scope)
    rows_of(scope.run.db, "update prospects set website = repeat('x', 500000) where id = :id", id=OLD)
    Replication(scope.run.db, edge, scope.run.now, Deadline.after(60)).run()

    first = erase(scope, ADA.address)

    assert first.unreached or first.left, "the row is still too large"
    assert "edge, sent out" in first.unreached
    incidents = "select subject, closed_at is null as is_open from incidents where kind = 'erasure_incomplete'"
    assert rows_of(scope.run.db, incidents) == [{"subject": "erasure 1", "is_open": True}]
    rows_of(scope.run.db, "update prospects set website = null where id = :id", id=OLD)
    assert erase(scope, ADA.address).is_complete
    assert look(scope).found == {}
    assert rows_of(scope.run.db, incidents) == [{"subject": "erasure 1", "is_open": False}]


# --- bucket and queues ----------------------------------------------------------------------------------------------


def test_an_object_of_the_installations_own_is_found_until_somebody_deletes_it(
    scope: ErasureScope, places: Places
) -> None:
    bucket, s3 = places.deferred.bucket, places.client("s3")
    s3.put_object(Bucket=bucket, Key="exports/2026.csv", Body=f"name,mail\nAda,{ADA.address}\n".encode())
    s3.put_object(Bucket=bucket, Key="exports/other.csv", Body=f"name,mail\nBea,{BEA.address}\n".encode())

    receipt = erase(scope, ADA.address)

    assert receipt.left == {"bucket": 1}
    s3.delete_object(Bucket=bucket, Key="exports/2026.csv")
    assert erase(scope, ADA.address).is_complete


@pytest.mark.parametrize(("number", "name"), [(0, "deferred queue"), (1, "dead letters")])
def test_a_message_is_found_in_either_queue_and_comes_back_at_once(
    scope: ErasureScope, places: Places, number: int, name: str
) -> None:
    url, sqs = places.queues[number], places.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"note": f"call {ADA.phone}"}))
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"note": "somebody else"}))

    assert look(scope).found == {name: 1}
    assert look(scope).found == {name: 1}


def test_a_message_that_arrives_behind_the_search_is_found_by_the_last_look(
    scope: ErasureScope, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object) -> dict[str, int]:
        places.client("sqs").send_message(QueueUrl=places.queues[0], MessageBody=f"for {ADA.address}")
        return {}

    monkeypatch.setattr("crm_relay.operations.erase.erase_leads", late)

    receipt = erase(scope, ADA.address)

    assert receipt.left == {"deferred queue": 1}
    monkeypatch.undo()
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    assert erase(scope, ADA.address).is_complete
