"""An edit at the edge that PostgreSQL cannot take is given up by an operator, and kept as a conflict."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.replication.discard import discard, list_parked
from crm_relay.edge_cache.replication.push_edits import Push
from crm_relay.edge_cache.replication.replicate import Replication
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.platform.rows import one, rows_of

ROW = UUID(int=1)
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def parked(database: Database, table: EdgeTwin, entity: Entity, doc: str) -> None:
    table.edit(entity, ROW, doc, edited_at=NOW)
    Push(database, table, lambda: NOW, Deadline.after(60)).run()
    assert [(line.entity, line.id) for line in list_parked(database, limit=10)] == [(entity, ROW)]


def test_the_edge_gets_the_version_of_postgresql_and_the_edit_stays_known(database: Database) -> None:
    table = EdgeTwin()
    rows_of(database, "insert into prospects (id, name) values (:id, 'Example')", id=ROW)
    Replication(database, table, utc_now, Deadline.after(60)).run()
    parked(database, table, "prospects", json.dumps({"id": str(ROW), "name": 7}))

    first = discard(database, table, "prospects", ROW, NOW + timedelta(hours=1), who="robot")

    assert first.changed
    item = table.get("prospects", [ROW])[ROW]
    assert (json.loads(item.doc or "")["name"], item.edited_at) == ("Example", None)
    assert list_parked(database, limit=10) == []
    row = one(database, "select edge_doc, winner, rule from edge_conflicts")
    assert row == {
        "edge_doc": {"id": str(ROW), "name": 7},
        "winner": "postgres",
        "rule": "the parked edit was discarded by robot",
    }
    rows_of(database, "update prospects set name = 'Changed' where id = :id", id=ROW)
    Replication(database, table, utc_now, Deadline.after(60)).run()
    assert json.loads(table.get("prospects", [ROW])[ROW].doc or "")["name"] == "Changed"


def test_an_edit_of_what_postgresql_never_had_leaves_a_tombstone(database: Database) -> None:
    table = EdgeTwin(clock=lambda: NOW)
    parked(database, table, "emails", "not even JSON")

    discard(database, table, "emails", ROW, NOW, who="robot")

    assert table.get("emails", [ROW])[ROW].doc is None
    assert list_parked(database, limit=10) == []


def test_nothing_but_a_parked_edit_is_discarded(database: Database) -> None:
    table = EdgeTwin()
    table.edit("emails", ROW, "{}", edited_at=NOW)

    with pytest.raises(RejectedInput) as refused:
        discard(database, table, "emails", ROW, NOW, who="robot")

    assert refused.value.status == 404
    assert table.count_unsynced() == 1
