"""A source that is suddenly empty, or much smaller, is not mirrored until somebody says that it was meant."""

from datetime import timedelta

import pytest

from crm_relay.edge_cache.decisions import may_delete
from crm_relay.edge_cache.read import LAST_CONFIRMED, mark_of
from crm_relay.edge_cache.replication.replicate import allow_shrink
from crm_relay.edge_cache.status import sync_status
from crm_relay.platform.database import Database
from tests.support.edge_cache.edge_harness import EdgeHarness

HELD_BACK = [("edge_source_shrunk", "prospects")]


@pytest.fixture
def full(edge: EdgeHarness) -> EdgeHarness:
    edge.add_many(99)
    edge.to_cache()
    return edge


def prospects(edge: EdgeHarness) -> int:
    return sum(entity == "prospects" for entity, _ in edge.items())


@pytest.mark.parametrize("accident", ["delete from prospects", "truncate prospects"])
def test_an_emptied_source_deletes_nothing_at_the_edge_and_tells_once(full: EdgeHarness, accident: str) -> None:
    full.sql(accident)
    for _ in range(3):
        assert full.to_cache()["held_back"] == ["prospects"]
        full.later(minutes=10)
    assert prospects(full) == 100
    assert full.open_incidents() == HELD_BACK
    assert full.one("select count(*) as n from incidents")["n"] == 1
    assert not sync_status(full.db, full.table, full.now).healthy


def test_a_source_that_lost_30_percent_deletes_nothing_at_the_edge(full: EdgeHarness) -> None:
    full.sql("delete from prospects where id in (select id from prospects limit 30)")
    full.to_cache()
    assert (prospects(full), full.open_incidents()) == (100, HELD_BACK)


def test_other_tables_and_other_changes_of_the_same_table_go_on(full: EdgeHarness) -> None:
    full.sql("update prospects set stage = 'changed before it was deleted'")
    full.sql("delete from prospects where id in (select id from prospects limit 60)")
    left, mailbox = full.add(name="new"), full.add("mailboxes", "new")
    full.to_cache()
    assert (full.edge(left), full.edge(mailbox, "mailboxes")) == ("new", "new")
    assert prospects(full) == 101
    full.change(left, "changed")
    full.to_cache()
    assert full.edge(left) == "changed"


def test_many_rows_that_changed_before_they_were_deleted_do_not_hide_the_others(edge: EdgeHarness) -> None:
    edge.add_many(3000)
    edge.to_cache()
    edge.sql("update prospects set stage = 'x'")
    edge.sql("delete from prospects")
    mailbox = edge.add("mailboxes", "new")
    edge.to_cache()
    assert edge.edge(mailbox, "mailboxes") == "new"


def test_rows_that_were_only_written_anew_are_no_loss(full: EdgeHarness) -> None:
    full.db.run_script(
        "begin; create temp table kept as select * from prospects; delete from prospects; "
        "insert into prospects select * from kept; commit"
    )
    assert full.to_cache()["held_back"] == []
    full.assert_equal()


def test_an_operator_lets_it_through_and_the_incident_closes(full: EdgeHarness) -> None:
    full.sql("truncate prospects")
    full.to_cache()
    allow_shrink(full.db, ["prospects"], until=full.now + timedelta(hours=1))
    answer = full.to_cache()
    assert (answer["deleted"], answer["held_back"]) == (100, [])
    assert (prospects(full), full.open_incidents()) == (0, [])
    full.later(hours=2)
    assert full.to_cache()["held_back"] == []


def test_what_was_allowed_is_allowed_for_an_hour_and_for_that_table_only(full: EdgeHarness) -> None:
    full.sql("truncate prospects")
    allow_shrink(full.db, ["mailboxes"], until=full.now + timedelta(hours=1))
    assert full.to_cache()["held_back"] == ["prospects"]
    allow_shrink(full.db, ["prospects"], until=full.now + timedelta(hours=1))
    full.later(hours=2)
    assert full.to_cache()["held_back"] == ["prospects"]


def test_rows_that_come_back_end_it_too(full: EdgeHarness) -> None:
    full.db.run_script("create table kept as select * from prospects; truncate prospects")
    full.to_cache()
    full.db.run_script("insert into prospects select * from kept")
    assert full.to_cache()["held_back"] == []
    assert full.open_incidents() == []
    full.assert_equal()


def test_single_deletions_of_small_tables_pass(edge: EdgeHarness) -> None:
    boxes = [edge.add("mailboxes") for _ in range(3)]
    edge.to_cache()
    for box in boxes:
        edge.delete(box, "mailboxes")
        assert edge.to_cache()["deleted"] == 1
    assert edge.open_incidents() == []


def test_nine_of_ten_mailboxes_are_kept_until_somebody_allows_it(edge: EdgeHarness) -> None:
    for number in range(9):
        edge.add("mailboxes", f"box {number}")
    edge.to_cache()
    edge.sql("delete from mailboxes where name <> 'box 3'")
    assert edge.to_cache()["held_back"] == ["mailboxes"]
    assert sum(entity == "mailboxes" for entity, _ in edge.items()) == 10
    assert edge.open_incidents() == [("edge_source_shrunk", "mailboxes")]


def test_the_mark_of_a_table_stands_still_while_its_deletions_are_held_back_and_of_no_other(full: EdgeHarness) -> None:
    before = full.table.get_config()
    full.sql("truncate prospects")
    full.later(minutes=10)
    full.to_cache()
    after = full.table.get_config()
    assert {name for name in after if after[name] != before.get(name)} == {
        mark_of(entity) for entity in ("campaigns", "mailboxes", "emails")
    }
    assert after[LAST_CONFIRMED] == before[LAST_CONFIRMED]


def test_a_resync_of_an_emptied_source_deletes_nothing(full: EdgeHarness) -> None:
    full.sql("truncate prospects")
    full.sql("delete from edge_changes")
    answer = full.resync("prospects")
    assert (answer["phase"], prospects(full)) == ("stopped", 100)
    assert full.to_cache()["deleted"] == 0
    assert full.open_incidents() == HELD_BACK, "still open with the next run"
    assert not sync_status(full.db, full.table, full.now).healthy

    allow_shrink(full.db, ["prospects"], until=full.now + timedelta(hours=1))
    assert (full.resync("prospects")["phase"], prospects(full)) == ("done", 0)
    full.to_cache()
    assert full.open_incidents() == []
    assert sync_status(full.db, full.table, full.now).blocked == ()


def test_a_resync_from_another_database_that_is_empty_deletes_nothing(full: EdgeHarness, database: Database) -> None:
    full.db.run_script("truncate prospects, edge_changes, edge_resyncs; update edge_entities set known_rows = 0")
    assert full.resync("prospects")["phase"] == "stopped"
    assert prospects(full) == 100


@pytest.mark.parametrize(
    ("rows", "deletions", "expected"),
    [
        (0, 0, True),
        (0, 1, False),
        (1, 1, True),
        (1, 2, False),
        (2, 2, True),
        (3, 1, True),
        (1, 9, False),
        (8, 2, True),
        (7, 3, False),
        (80, 20, True),
        (79, 21, False),
    ],
)
def test_one_or_two_and_a_fifth_may_go(rows: int, deletions: int, expected: bool) -> None:
    assert may_delete(rows=rows, deletions=deletions, allowed=False) is expected
    assert may_delete(rows=rows, deletions=deletions, allowed=True)
