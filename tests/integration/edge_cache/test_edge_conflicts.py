"""Both sides changed a row: who wins, that it is logged once, and that the loser can be brought back."""

import contextlib
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.replication.conflicts import conflict, list_conflicts, revert
from crm_relay.platform.database import Row
from crm_relay.platform.errors import RejectedInput
from tests.support.edge_cache.edge_harness import EdgeHarness
from tests.support.processes.sudden_death import Killed, Life, MortalDatabase

COPIES: list[Entity] = ["prospects", "campaigns", "mailboxes"]


def synced(edge: EdgeHarness, entity: Entity = "emails") -> UUID:
    row_id = edge.add(entity)
    edge.to_cache()
    return row_id


def winners(edge: EdgeHarness) -> list[tuple[str, str]]:
    return [(row["winner"], row["rule"]) for row in edge.conflicts()]


def test_an_email_that_only_the_edge_changed_is_no_conflict(edge: EdgeHarness) -> None:
    row_id = synced(edge)
    edge.edit(row_id, "edited")
    edge.sync()
    assert edge.both(row_id) == ("edited", "edited")
    assert edge.conflicts() == []


def test_an_email_changed_on_both_sides_goes_to_the_edge_where_that_wrote_last(edge: EdgeHarness) -> None:
    row_id = synced(edge)
    edge.change(row_id, "PostgreSQL's", "emails", at=edge.now)
    edge.edit(row_id, "the edge's", at=edge.now + timedelta(microseconds=1))
    edge.sync()
    assert edge.both(row_id) == ("the edge's", "the edge's")
    assert winners(edge) == [("edge", "the edge wrote last")]
    edge.assert_equal()


@pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=1)], ids=["a tie", "later"])
def test_an_email_changed_on_both_sides_goes_to_postgresql_where_that_wrote_last(
    edge: EdgeHarness, later: timedelta
) -> None:
    row_id = synced(edge)
    edge.edit(row_id, "the edge's")
    edge.change(row_id, "PostgreSQL's", "emails", at=edge.now + later)
    edge.sync()
    assert edge.both(row_id) == ("PostgreSQL's", "PostgreSQL's")
    assert winners(edge) == [("postgres", "PostgreSQL wrote last, or at the same time")]
    (logged,) = edge.conflicts()
    assert (logged["postgres_doc"]["subject"], logged["edge_doc"]["subject"]) == ("PostgreSQL's", "the edge's")
    assert logged["differing"] == ["subject"]
    edge.assert_equal()


def test_both_sides_making_the_same_change_is_no_conflict(edge: EdgeHarness) -> None:
    row_id = synced(edge)
    edge.edit(row_id, "the same")
    edge.change(row_id, "the same", "emails", at=edge.now + timedelta(hours=1))
    edge.sync()
    assert edge.conflicts() == []
    edge.assert_equal()


def test_a_second_edit_while_the_first_is_on_its_way_is_no_conflict(edge: EdgeHarness) -> None:
    """The first one reached PostgreSQL, and the run died before it could say so at the edge."""
    row_id = uuid4()
    edge.edit(row_id, "first")
    with pytest.raises(Killed):
        _push_that_dies_after_its_commit(edge)
    edge.later(seconds=1)
    edge.edit(row_id, "second")
    edge.sync()
    assert edge.both(row_id) == ("second", "second")
    assert edge.conflicts() == []


def test_a_late_copy_of_an_older_edit_does_not_undo_what_postgresql_wrote_since(edge: EdgeHarness) -> None:
    row_id = uuid4()
    at = edge.now
    edge.edit(row_id, "first", at=at)
    edge.sync()
    edge.change(row_id, "since then", "emails", at=edge.now)
    edge.sync()
    edge.edit(row_id, "first", at=at)
    edge.sync()
    assert edge.both(row_id) == ("since then", "since then")
    assert [row["winner"] for row in edge.conflicts()] == ["postgres"]


@pytest.mark.parametrize("entity", COPIES)
def test_an_edit_of_a_copy_is_always_logged_and_the_last_write_decides(edge: EdgeHarness, entity: Entity) -> None:
    edges, postgres, tied = (synced(edge, entity) for _ in range(3))
    for row_id, seconds in ((edges, -1), (postgres, 1), (tied, 0)):
        edge.change(row_id, "PostgreSQL's", entity, at=edge.now + timedelta(seconds=seconds))
    edge.to_cache()
    for row_id in (edges, postgres, tied):
        edge.edit(row_id, "the edge's", entity)
    edge.sync()
    assert edge.both(edges, entity) == ("the edge's", "the edge's")
    assert edge.both(postgres, entity) == ("PostgreSQL's", "PostgreSQL's")
    assert edge.both(tied, entity) == ("PostgreSQL's", "PostgreSQL's")
    found = {row["row_id"]: (row["entity"], row["winner"]) for row in edge.conflicts()}
    assert found == {edges: (entity, "edge"), postgres: (entity, "postgres"), tied: (entity, "postgres")}
    edge.assert_equal()


@pytest.mark.parametrize("entity", ["emails", "prospects"])
def test_a_row_deleted_in_postgresql_while_it_was_edited_stays_deleted_and_is_logged(
    edge: EdgeHarness, entity: Entity
) -> None:
    row_id = synced(edge, entity)
    edge.edit(row_id, "too late", entity)
    edge.delete(row_id, entity)
    edge.sync()
    assert edge.both(row_id, entity) == (None, None)
    (logged,) = edge.conflicts()
    assert (logged["winner"], logged["rule"], logged["postgres_doc"]) == ("postgres", "deleted in PostgreSQL", None)
    assert edge.parked() == {}


def test_an_email_edited_long_after_its_deletion_stays_deleted_and_is_logged(edge: EdgeHarness) -> None:
    row_id = synced(edge)
    edge.delete(row_id, "emails")
    edge.sync()
    edge.later(days=40)
    edge.edit(row_id, "much too late")
    edge.sync()
    assert edge.both(row_id) == (None, None)
    assert len(edge.conflicts()) == 1


def test_an_email_from_before_the_cache_that_is_deleted_while_edited_stays_deleted(edge: EdgeHarness) -> None:
    row_id = synced(edge)
    edge.db.run_script(
        "alter table emails disable trigger user; update emails set sync_version = null; "
        "alter table emails enable trigger user"
    )
    edge.table._items.clear()
    edge.sql("delete from edge_resyncs")
    edge.to_cache()
    edge.edit(row_id, "too late")
    edge.delete(row_id, "emails")
    edge.sync()
    assert edge.both(row_id) == (None, None)
    assert len(edge.conflicts()) == 1


def test_an_email_that_postgresql_has_and_the_edge_never_saw_is_a_conflict_when_recorded_there(
    edge: EdgeHarness,
) -> None:
    row_id = edge.add("emails", "PostgreSQL's")
    edge.edit(row_id, "the edge's")
    edge.sync()
    assert edge.both(row_id) == ("the edge's", "the edge's")
    assert len(edge.conflicts()) == 1


def _push_that_dies_after_its_commit(edge: EdgeHarness) -> None:
    life = Life()
    mortal = MortalDatabase(edge.url, life)
    send = mortal._send

    def dies(sql: str, **options: bool) -> list[list[Row]]:
        answer = send(sql, **options)
        life.is_over = sql == "commit"
        return answer

    mortal._send = dies  # type: ignore[method-assign]
    try:
        edge.run(mortal).to_postgres()
    finally:
        mortal.close()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_conflict_is_logged_once_wherever_the_run_dies(edge: EdgeHarness, before: bool) -> None:
    for step in range(1, 40):
        won, lost = synced(edge), synced(edge, "prospects")
        edge.change(won, "PostgreSQL's", "emails", at=edge.now)
        edge.edit(won, "the edge's", at=edge.now + timedelta(seconds=1))
        edge.edit(lost, "the edge's", "prospects")
        edge.change(lost, "PostgreSQL's", at=edge.now + timedelta(hours=1))
        edge.sql("delete from edge_conflicts")
        life = Life(step, before)
        mortal = MortalDatabase(edge.url, life)
        with contextlib.suppress(Killed):
            edge.run(mortal).to_postgres()
        mortal.close()
        edge.sync()
        assert edge.both(won) == ("the edge's", "the edge's")
        assert edge.both(lost, "prospects") == ("PostgreSQL's", "PostgreSQL's")
        assert sorted(row["winner"] for row in edge.conflicts()) == ["edge", "postgres"], step
        if not life.is_over:
            break
    assert 5 < step < 39, "a run has an end"
    edge.assert_equal()


@pytest.mark.parametrize("entity", ["emails", "prospects", "campaigns", "mailboxes"])
@pytest.mark.parametrize("edge_wins", [True, False])
def test_a_revert_restores_the_loser_on_both_sides(edge: EdgeHarness, entity: Entity, edge_wins: bool) -> None:
    row_id = synced(edge, entity)
    edge.change(row_id, "PostgreSQL's", entity, at=edge.now)
    edge.edit(row_id, "the edge's", entity, at=edge.now + timedelta(seconds=1 if edge_wins else -1))
    edge.sync()
    (logged,) = edge.conflicts()
    winner, loser = ("the edge's", "PostgreSQL's") if edge_wins else ("PostgreSQL's", "the edge's")
    assert edge.both(row_id, entity) == (winner, winner)

    revert(edge.db, logged["id"], who="ada", now=edge.now)
    edge.sync()
    assert edge.both(row_id, entity) == (loser, loser)
    assert list_conflicts(edge.db) == []
    assert len(edge.conflicts()) == 1, "a revert is no conflict"
    edge.assert_equal()


def test_a_reverted_row_was_written_when_it_was_reverted(edge: EdgeHarness) -> None:
    """Else an edit that waits and is older than the revert would win over it."""
    row_id = synced(edge)
    edge.edit(row_id, "the edge's")
    edge.change(row_id, "PostgreSQL's", "emails", at=edge.now + timedelta(seconds=1))
    edge.sync()
    waiting = edge.later(minutes=1)
    revert(edge.db, edge.conflicts()[0]["id"], who="ada", now=edge.later(minutes=1))
    edge.edit(row_id, "older than the revert", at=waiting)
    edge.sync()
    assert edge.both(row_id) == ("the edge's", "the edge's")


def test_a_deleted_email_comes_back_with_a_revert(edge: EdgeHarness) -> None:
    row_id = synced(edge)
    edge.edit(row_id, "the edge's")
    edge.delete(row_id, "emails")
    edge.sync()
    revert(edge.db, edge.conflicts()[0]["id"], who="ada", now=edge.now)
    edge.sync()
    assert edge.both(row_id) == ("the edge's", "the edge's")
    edge.assert_equal()


def test_a_second_revert_and_one_of_a_row_that_is_gone_are_refused(edge: EdgeHarness) -> None:
    there, gone = synced(edge, "prospects"), synced(edge, "prospects")
    for row_id in (there, gone):
        edge.edit(row_id, "the edge's", "prospects")
    edge.sync()
    ids = {row["row_id"]: row["id"] for row in edge.conflicts()}
    revert(edge.db, ids[there], who="ada", now=edge.now)
    edge.delete(gone)
    for row_id in (there, gone):
        with pytest.raises(RejectedInput) as refused:
            revert(edge.db, ids[row_id], who="ada", now=edge.now)
        assert refused.value.status == 409
    reverted = {row["row_id"]: row["reverted_at"] for row in edge.conflicts()}
    assert reverted == {there: edge.now, gone: None}


def test_an_unknown_conflict_is_not_found(edge: EdgeHarness) -> None:
    with pytest.raises(RejectedInput) as refused:
        conflict(edge.db, 404)
    assert refused.value.status == 404
    with pytest.raises(RejectedInput) as refused:
        revert(edge.db, 404, who="ada", now=edge.now)
    assert refused.value.status == 404
