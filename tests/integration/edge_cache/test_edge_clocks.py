"""Clocks that are wrong: nothing wins for ever, nothing is lost without a line among the conflicts."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.record_email import record_email
from crm_relay.edge_cache.replication.conflicts import revert
from tests.support.edge_cache.edge_harness import EdgeHarness

FAR = datetime(8999, 1, 1, tzinfo=UTC)
SKEW = timedelta(seconds=90)


def record(edge: EdgeHarness, row_id: UUID, at: datetime, **content: Any) -> bool:
    stamp = {"id": str(row_id), "updated_at": at.isoformat()}
    return record_email(edge.table, stamp | content, edge.now).is_new


def lost(edge: EdgeHarness) -> list[tuple[str, str | None]]:
    """Who lost, and its subject."""
    found = edge.conflicts()
    loser = {"postgres": "edge_doc", "edge": "postgres_doc"}
    return [(row["winner"], (row[loser[row["winner"]]] or {}).get("subject")) for row in found]


def times(edge: EdgeHarness, row_id: UUID) -> dict[str, datetime | None]:
    return edge.one("select opened_at, clicked_at, replied_at from emails where id = :id", id=row_id)


def test_a_time_of_the_future_is_not_believed_at_the_door(edge: EdgeHarness) -> None:
    row_id = uuid4()
    assert record(edge, row_id, FAR, subject="far")
    item = edge.item(row_id, "emails")
    assert item is not None
    assert item.edited_at == edge.now
    assert record(edge, row_id, edge.later(seconds=1), subject="later")
    edge.sync()
    assert edge.both(row_id) == ("later", "later")
    edge.change(row_id, "PostgreSQL's", "emails", at=edge.now)
    edge.sync()
    assert edge.both(row_id) == ("PostgreSQL's", "PostgreSQL's")


@pytest.mark.parametrize("ahead", [timedelta(minutes=4, seconds=59), timedelta(minutes=5, seconds=1)])
def test_a_clock_may_be_ahead_by_the_tolerance(edge: EdgeHarness, ahead: timedelta) -> None:
    row_id = uuid4()
    record(edge, row_id, edge.now + ahead, subject="ahead")
    item = edge.item(row_id, "emails")
    assert item is not None
    assert item.edited_at == (edge.now + ahead if ahead < timedelta(minutes=5) else edge.now)


def test_an_item_of_the_future_that_others_wrote_keeps_no_edit_away(edge: EdgeHarness) -> None:
    row_id = edge.add("emails")
    edge.to_cache()
    doc = json.dumps(edge.doc(row_id, "emails") | {"subject": "far"})
    edge.table.edit("emails", row_id, doc, edited_at=FAR)
    assert record(edge, row_id, edge.later(seconds=1), subject="later")
    edge.sync()
    assert edge.both(row_id) == ("later", "later")


def test_an_edit_of_the_future_that_others_wrote_is_of_now_in_postgresql(edge: EdgeHarness) -> None:
    row_id = edge.add("emails")
    edge.to_cache()
    edge.table.edit("emails", row_id, json.dumps(edge.doc(row_id, "emails") | {"subject": "far"}), edited_at=FAR)
    edge.to_postgres()
    assert edge.one("select updated_at from emails where id = :id", id=row_id)["updated_at"] == edge.now


def test_a_row_of_the_future_does_not_win_over_every_later_edit(edge: EdgeHarness) -> None:
    email, prospect = edge.add("emails"), edge.add("prospects")
    for row_id, entity in ((email, "emails"), (prospect, "prospects")):
        edge.change(row_id, "far", entity, at=FAR)  # type: ignore[arg-type]
    edge.to_cache()
    edge.later(minutes=1)
    edge.edit(email, "later")
    edge.edit(prospect, "later", "prospects")
    edge.later(hours=1)
    edge.sync()
    assert (edge.both(email), edge.both(prospect, "prospects")) == (("later", "later"), ("later", "later"))
    assert [row["entity"] for row in edge.conflicts()] == ["prospects"]


def test_a_row_of_the_future_that_the_edit_had_not_seen_wins_and_the_edit_is_logged(edge: EdgeHarness) -> None:
    row_id = edge.add("emails")
    edge.to_cache()
    edge.edit(row_id, "the edge's")
    edge.change(row_id, "far", "emails", at=FAR)
    edge.sync()
    assert edge.both(row_id) == ("far", "far")
    assert lost(edge) == [("postgres", "the edge's")]


def test_a_clock_that_is_behind_loses_no_reply(edge: EdgeHarness) -> None:
    row_id = edge.add("emails")
    edge.change(row_id, "sent", "emails", at=edge.now)
    edge.to_cache()
    content = edge.doc(row_id, "emails") | {"status": "replied", "updated_at": (edge.now - SKEW).isoformat()}
    assert record_email(edge.table, content, edge.now).is_new
    edge.sync()
    assert edge.one("select status from emails where id = :id", id=row_id) == {"status": "replied"}
    assert edge.conflicts() == []


def test_an_edit_that_is_older_than_its_row_by_more_than_clocks_differ_loses_and_is_logged(edge: EdgeHarness) -> None:
    row_id = edge.add("emails")
    edge.change(row_id, "PostgreSQL's", "emails", at=edge.now)
    edge.to_cache()
    edge.edit(row_id, "of yesterday", at=edge.now - timedelta(days=1))
    edge.sync()
    assert edge.both(row_id) == ("PostgreSQL's", "PostgreSQL's")
    assert lost(edge) == [("postgres", "of yesterday")]


@pytest.mark.parametrize("is_pushed", [False, True])
def test_of_two_writers_with_events_neither_loses_one(edge: EdgeHarness, is_pushed: bool) -> None:
    """Each read the e-mail before the other wrote."""
    row_id = edge.add("emails", "mail")
    edge.to_cache()
    read = edge.doc(row_id, "emails")
    opened, clicked = edge.now - timedelta(minutes=2), edge.now - timedelta(minutes=1)
    record_email(edge.table, read | {"opened_at": opened.isoformat(), "updated_at": edge.now.isoformat()}, edge.now)
    if is_pushed:
        edge.to_postgres()
    edge.later(seconds=1)
    record_email(edge.table, read | {"clicked_at": clicked.isoformat(), "updated_at": edge.now.isoformat()}, edge.now)
    edge.sync()
    assert times(edge, row_id) == {"opened_at": opened, "clicked_at": clicked, "replied_at": None}
    assert edge.conflicts() == []
    edge.assert_equal()


@pytest.mark.parametrize("edge_is_later", [True, False])
def test_events_of_both_sides_are_merged_whoever_wins(edge: EdgeHarness, edge_is_later: bool) -> None:
    row_id = edge.add("emails", "mail")
    edge.to_cache()
    first, second = edge.now - timedelta(minutes=9), edge.now - timedelta(minutes=8)
    seconds = 1 if edge_is_later else -1
    edge.sql(
        "update emails set opened_at = :second, clicked_at = :first, subject = 'theirs', updated_at = :at "
        "where id = :id",
        id=row_id, first=first, second=second, at=edge.now,
    )  # fmt: skip
    content = edge.doc(row_id, "emails") | {"subject": "ours", "opened_at": first.isoformat()}
    content |= {"clicked_at": second.isoformat(), "replied_at": second.isoformat()}
    content |= {"updated_at": (edge.now + timedelta(seconds=seconds)).isoformat()}
    record_email(edge.table, content, edge.now)
    edge.sync()
    assert times(edge, row_id) == {"opened_at": first, "clicked_at": first, "replied_at": second}
    assert [row["winner"] for row in edge.conflicts()] == ["edge" if edge_is_later else "postgres"]
    assert [row["differing"] for row in edge.conflicts()] == [["subject"]]
    edge.assert_equal()


def test_events_alone_are_no_conflict(edge: EdgeHarness) -> None:
    row_id = edge.add("emails", "mail")
    edge.to_cache()
    at = edge.now - timedelta(minutes=9)
    edge.sql("update emails set opened_at = :at, updated_at = :now where id = :id", id=row_id, at=at, now=edge.now)
    content = edge.doc(row_id, "emails") | {"clicked_at": at.isoformat(), "updated_at": (edge.now - SKEW).isoformat()}
    record_email(edge.table, content, edge.now)
    edge.sync()
    assert times(edge, row_id) == {"opened_at": at, "clicked_at": at, "replied_at": None}
    assert edge.conflicts() == []
    edge.assert_equal()


@pytest.mark.parametrize("is_pushed", [False, True])
def test_an_edit_that_was_said_again_is_not_undone_by_one_from_between(edge: EdgeHarness, is_pushed: bool) -> None:
    """X at 5, X at 10, and Y of 7 comes last."""
    row_id, start = uuid4(), edge.now
    edge.later(minutes=1)
    assert record(edge, row_id, start + timedelta(seconds=5), subject="X")
    assert not record(edge, row_id, start + timedelta(seconds=10), subject="X")
    if is_pushed:
        edge.to_postgres()
    opened = start - timedelta(minutes=1)
    assert not record(edge, row_id, start + timedelta(seconds=7), subject="Y", opened_at=opened.isoformat())
    edge.sync()
    assert edge.both(row_id) == ("X", "X")
    assert lost(edge) == [("postgres", "Y")]
    assert times(edge, row_id)["opened_at"] == opened
    assert edge.table.late_edits(limit=9) == []
    edge.assert_equal()


def test_a_late_edit_is_logged_once_however_often_it_comes_and_can_be_restored(edge: EdgeHarness) -> None:
    row_id, start = uuid4(), edge.now
    edge.later(minutes=1)
    record(edge, row_id, start + timedelta(seconds=10), subject="X")
    for _ in range(2):
        for subject in ("Y", "Z"):
            record(edge, row_id, start + timedelta(seconds=7), subject=subject)
        edge.sync()
    assert sorted(lost(edge)) == [("postgres", "Y"), ("postgres", "Z")]
    first = next(row["id"] for row in edge.conflicts() if row["edge_doc"]["subject"] == "Y")
    revert(edge.db, first, who="ada", now=edge.now)
    edge.sync()
    assert edge.both(row_id) == ("Y", "Y")


def test_of_two_edits_of_one_moment_the_one_that_is_replaced_is_logged(edge: EdgeHarness) -> None:
    row_id = uuid4()
    assert record(edge, row_id, edge.now, subject="one")
    assert record(edge, row_id, edge.now, subject="other")
    edge.sync()
    assert edge.both(row_id) == ("other", "other")
    assert lost(edge) == [("postgres", "one")]


def test_an_edit_that_meets_another_in_the_table_is_made_over_that(edge: EdgeHarness) -> None:
    """Between the reading of the item and the writing of the edit somebody else writes."""
    row_id = edge.add("emails", "mail")
    edge.to_cache()
    read = edge.doc(row_id, "emails")
    opened = edge.now - timedelta(minutes=2)
    meets = [True]
    get = edge.table.get

    def get_and_be_overtaken(entity: Any, ids: Any) -> dict[UUID, CacheItem]:
        found = get(entity, ids)
        if meets:
            meets.clear()
            record_email(edge.table, read | {"opened_at": opened.isoformat(), "updated_at": str(edge.now)}, edge.now)
        return found

    edge.table.get = get_and_be_overtaken  # type: ignore[method-assign, assignment]
    record_email(edge.table, read | {"clicked_at": opened.isoformat(), "updated_at": str(edge.now + SKEW)}, edge.now)
    edge.sync()
    assert times(edge, row_id) == {"opened_at": opened, "clicked_at": opened, "replied_at": None}


def test_of_somebody_who_was_erased_no_version_is_logged(edge: EdgeHarness) -> None:
    edge.sql(
        "insert into consent_events (channel, address, kind, source, occurred_at) select 'email', "
        "erased_key('ada@example.com', value), 'erased', 'test', now() from installation_settings "
        "where key = 'erasure_salt'"
    )
    row_id, start = uuid4(), edge.now
    edge.later(minutes=1)
    for subject, seconds in (("X", 10), ("Y", 7)):
        record(edge, row_id, start + timedelta(seconds=seconds), subject=subject, to_email="Ada@Example.com")
    edge.sync()
    assert [(row["postgres_doc"], row["edge_doc"]) for row in edge.conflicts()] == [(None, None)]
