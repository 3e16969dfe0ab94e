"""What edge code and operators are told: a row and its age, and whether both directions are well."""

from datetime import timedelta
from uuid import uuid4

import pytest

from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.read import read_row
from crm_relay.edge_cache.status import DirectionStatus, recent_runs, sync_status
from crm_relay.platform.database import Database
from tests.support.edge_cache.edge_harness import EdgeHarness

AWAY = "postgresql://nobody:x@127.0.0.1:9/nothing"


def direction(edge: EdgeHarness, name: str) -> DirectionStatus:
    (found,) = (each for each in sync_status(edge.db, edge.table, edge.now).directions if each.direction == name)
    return found


def test_a_row_is_read_with_its_age(edge: EdgeHarness) -> None:
    row_id = edge.add(name="known")
    edge.to_cache()
    edge.later(minutes=7)
    found = read_row(edge.table, "prospects", row_id, edge.now, db=edge.db)
    assert (found.age, found.came_from) == (timedelta(minutes=7), "edge")
    assert (found.content or {})["name"] == "known"


def test_past_the_bound_postgresql_is_read(edge: EdgeHarness) -> None:
    row_id, other = edge.add(name="old"), edge.add(name="other")
    edge.to_cache()
    edge.later(minutes=31)
    edge.change(row_id, "new")
    edge.delete(other)
    found = read_row(edge.table, "prospects", row_id, edge.now, db=edge.db)
    assert ((found.content or {})["name"], found.age, found.came_from) == ("new", timedelta(0), "postgres")
    assert read_row(edge.table, "prospects", other, edge.now, db=edge.db).content is None
    sooner = read_row(edge.table, "prospects", row_id, edge.now, db=edge.db, stale_after=timedelta(hours=1))
    assert ((sooner.content or {})["name"], sooner.came_from) == ("old", "edge")


def test_with_postgresql_away_the_old_value_comes_with_its_age(edge: EdgeHarness) -> None:
    row_id = edge.add(name="old")
    edge.to_cache()
    edge.later(days=2)
    for db in (Database(AWAY, timeout=1), None):
        found = read_row(edge.table, "prospects", row_id, edge.now, db=db)
        assert ((found.content or {})["name"], found.age, found.came_from) == ("old", timedelta(days=2), "edge")


def test_an_edit_of_the_edge_is_never_stale_and_a_cache_that_was_never_filled_is(
    edge: EdgeHarness, database: Database
) -> None:
    row_id = uuid4()
    edge.edit(row_id, "edited")
    edge.later(days=1)
    assert read_row(edge.table, "emails", row_id, edge.now, db=edge.db).age == timedelta(0)
    empty = EdgeHarness(database)
    there = edge.add(name="there")
    assert read_row(empty.table, "prospects", there, edge.now).age is None
    assert (read_row(empty.table, "prospects", there, edge.now, db=edge.db).content or {})["name"] == "there"


@pytest.mark.parametrize("doc", ["no JSON", "[]", '"text"'])
def test_what_others_mangled_is_read_as_nothing(edge: EdgeHarness, doc: str) -> None:
    row_id = uuid4()
    edge.table.restore("prospects", row_id, CacheItem("prospects", row_id, 1, doc, edge.now, edge.now), now=edge.now)
    assert read_row(edge.table, "prospects", row_id, edge.now).content is None


def test_both_directions_are_healthy_for_fifteen_minutes(edge: EdgeHarness) -> None:
    assert not sync_status(edge.db, edge.table, edge.now).healthy, "nothing was ever brought to PostgreSQL"
    edge.to_postgres()
    edge.to_cache()
    edge.later(minutes=15)
    assert sync_status(edge.db, edge.table, edge.now).healthy
    edge.later(seconds=1)
    assert not sync_status(edge.db, edge.table, edge.now).healthy
    edge.to_cache()
    assert [direction(edge, name).healthy for name in ("to_cache", "to_postgres")] == [True, False]


def test_a_hundred_that_wait_are_too_many(edge: EdgeHarness) -> None:
    edge.to_postgres()
    edge.add_many(99)
    for _ in range(99):
        edge.edit(uuid4(), "edited")
    assert sync_status(edge.db, edge.table, edge.now).healthy
    edge.add()
    assert not direction(edge, "to_cache").healthy
    assert direction(edge, "to_cache").pending == 100
    edge.edit(uuid4(), "edited")
    assert not direction(edge, "to_postgres").healthy
    edge.to_postgres()
    edge.to_cache()
    assert sync_status(edge.db, edge.table, edge.now).healthy
    assert direction(edge, "to_postgres").records == 100


def test_the_status_tells_what_is_parked_and_what_was_decided(edge: EdgeHarness) -> None:
    edge.add("emails", "x" * 450_000)
    edge.edit_raw(uuid4(), "no JSON")
    prospect = edge.add()
    edge.to_cache()
    edge.edit(prospect, "edited", "prospects")
    edge.to_postgres()
    found = sync_status(edge.db, edge.table, edge.now)
    assert [each.parked for each in found.directions] == [1, 1]
    assert found.conflicts_24h == 1
    assert recent_runs(edge.db, limit=1)[0]["conflict_count"] == 1
