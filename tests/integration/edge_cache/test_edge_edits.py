"""What is written at the edge: nothing that is edited during a push is lost, and no bad edit holds up the others."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.record_email import record_email
from crm_relay.edge_cache.replication import push_edits
from crm_relay.platform.database import Database
from tests.support.edge_cache.edge_harness import EdgeHarness
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.platform.counting_proxy import CountingProxy

SECRET = "Zoë's own words"


@dataclass
class EditedOnTheWay(EdgeTwin):
    """Somebody edits the item between the read and the settling."""

    doc: str = ""

    def settle(self, seen: CacheItem, *, version: int, doc: str | None, updated_at: datetime, now: datetime) -> bool:
        if self.doc and seen.edited_at is not None:
            edited, self.doc = self.doc, ""
            self.edit(seen.entity, seen.row_id, edited, edited_at=seen.edited_at + timedelta(milliseconds=1))
        return super().settle(seen, version=version, doc=doc, updated_at=updated_at, now=now)


def test_an_email_written_at_the_edge_reaches_postgresql_with_all_of_its_fields(edge: EdgeHarness) -> None:
    times = {name: f"2026-05-0{n}T10:00:00.123456+02:00" for n, name in enumerate(["sent_at", "opened_at"], 1)}
    content = {"id": str(uuid4()), "prospect_id": str(uuid4()), "campaign_id": str(uuid4()), "subject": "S\u2028'\\",
               "body": "B" * 1000, "to_email": "a@example.com", "from_email": "b@example.com", "message_id": "<m@x>",
               "direction": "inbound", "status": "sent"} | times  # fmt: skip
    assert record_email(edge.table, content, edge.now).is_new
    edge.sync()
    row = edge.one("select * from emails where id = :id", id=UUID(str(content["id"])))
    assert {name: str(row[name]) for name in content if name not in times} == {
        name: value for name, value in content.items() if name not in times
    }
    assert (row["sent_at"], row["replied_at"]) == (datetime.fromisoformat(times["sent_at"]), None)
    assert row["updated_at"] == row["created_at"] == edge.now - timedelta(hours=3)
    edge.assert_equal()


def test_an_email_that_is_edited_while_it_is_pushed_is_pushed_again(database: Database) -> None:
    table = EditedOnTheWay()
    edge = EdgeHarness(database, table)
    edge.begin()
    row_id = uuid4()
    first = edge.edit(row_id, "first")
    table.doc = json.dumps(json.loads(first.doc or "") | {"subject": "second"})
    edge.to_postgres()
    assert edge.both(row_id) == ("second", "second")
    assert edge.table.count_unsynced() == 0
    assert edge.conflicts() == []
    edge.assert_equal()


def test_recording_an_email_twice_is_recording_it_once(edge: EdgeHarness) -> None:
    content = {"id": str(uuid4()), "subject": "once"}
    assert [record_email(edge.table, content, edge.now).is_new for _ in range(2)] == [True, False]
    edge.sync()
    assert record_email(edge.table, content, edge.later(days=1)).is_new is False
    assert edge.table.count_unsynced() == 0
    assert record_email(edge.table, content | {"subject": "twice"}, edge.now).is_new


def test_of_two_edits_that_arrive_in_the_wrong_order_the_later_one_stands(edge: EdgeHarness) -> None:
    content: dict[str, Any] = {"id": str(uuid4())}
    late, early = edge.now + timedelta(seconds=1), edge.now
    assert record_email(edge.table, content | {"subject": "late", "updated_at": late}, edge.now).is_new
    assert not record_email(edge.table, content | {"subject": "early", "updated_at": early}, edge.now).is_new
    edge.sync()
    assert edge.both(UUID(content["id"])) == ("late", "late")


FAULTY: dict[str, dict[str, object]] = {
    "a bad uuid": {"prospect_id": SECRET},
    "an unknown column": {"secret": SECRET},
    "NUL": {"subject": f"{SECRET}\0"},
    "a naive time": {"sent_at": "2026-01-01T00:00:00"},
    "another row's id": {"id": str(uuid4())},
    "no id": {"id": None},
    "a number for a text": {"subject": 7},
    "no number": {"body": float("nan")},
}


@pytest.mark.parametrize("fault", [*FAULTY, "no JSON", "a list", "nothing"])
def test_an_edit_that_cannot_be_a_row_is_parked_and_holds_nobody_up(edge: EdgeHarness, fault: str) -> None:
    bad, good = uuid4(), uuid4()
    odd = {"no JSON": SECRET, "a list": "[]", "nothing": ""}
    doc = odd.get(fault, json.dumps({"id": str(bad), "body": SECRET} | FAULTY.get(fault, {})))
    edge.edit_raw(bad, doc)
    edge.edit(good, "good")
    answer = edge.to_postgres()
    assert (answer["parked"], answer["written"], answer["finished"]) == (1, 1, True)
    assert edge.both(good) == ("good", "good")
    (reason,) = edge.parked("to_postgres").values()
    assert "Zo" not in reason
    assert reason.startswith("not a document of emails")
    assert edge.to_postgres()["read"] == 0

    edge.later(minutes=1)
    record_email(edge.table, {"id": str(bad), "subject": "mended"}, edge.now)
    edge.sync()
    assert edge.both(bad) == ("mended", "mended")
    assert edge.parked("to_postgres") == {}
    edge.assert_equal()


def test_an_edit_that_postgresql_refuses_is_parked_without_a_word_of_it_and_holds_nobody_up(edge: EdgeHarness) -> None:
    edge.sql("alter table emails add constraint short check (length(subject) < 50)")
    bad = uuid4()
    edge.edit(bad, SECRET * 10)
    good = [uuid4() for _ in range(9)]
    for number, row_id in enumerate(good):
        edge.later(seconds=1)
        edge.edit(row_id, f"good {number}")
    answer = edge.to_postgres()
    assert (answer["written"], answer["parked"], answer["finished"]) == (9, 1, True)
    assert edge.parked("to_postgres") == {bad: "database error 23514 (emails, short)"}
    assert [edge.both(row_id) for row_id in good] == [(f"good {n}", f"good {n}") for n in range(9)]

    edge.later(minutes=1)
    edge.edit(bad, "short enough")
    edge.sync()
    assert edge.both(bad) == ("short enough", "short enough")
    assert edge.parked("to_postgres") == {}


def test_a_copy_that_postgresql_refuses_holds_up_no_email(edge: EdgeHarness) -> None:
    campaign, email = edge.add("campaigns"), uuid4()
    edge.to_cache()
    edge.edit(email, "good")
    doc = edge.doc(campaign, "campaigns") | {"source": SECRET}
    edge.edit_raw(campaign, json.dumps(doc), "campaigns")
    edge.to_postgres()
    assert edge.both(email) == ("good", "good")
    assert list(edge.parked("to_postgres")) == [campaign]
    assert "Zo" not in edge.parked("to_postgres")[campaign]
    assert edge.conflicts() == [], "nothing was decided"


def test_a_row_too_large_for_the_edge_that_wins_over_an_edit_holds_nobody_up(edge: EdgeHarness) -> None:
    big, good = edge.add("emails"), uuid4()
    edge.to_cache()
    edge.edit(big, "the edge's")
    edge.change(big, "x" * 450_000, "emails", at=edge.now + timedelta(days=1))
    edge.edit(good, "good")
    answer = edge.to_postgres()
    assert (answer["parked"], answer["finished"]) == (1, True)
    assert edge.both(good) == ("good", "good")
    assert edge.parked("to_postgres") == {big: "an item at the edge holds at most 400 KB"}
    assert len(edge.conflicts()) == 1


def test_an_email_that_changes_in_postgresql_between_reading_and_writing_is_decided_anew(edge: EdgeHarness) -> None:
    row_id = edge.add("emails")
    edge.to_cache()
    edge.edit(row_id, "the edge's")
    write = push_edits._write

    def changed_first(*arguments: Any) -> Any:
        edge.change(row_id, "PostgreSQL's", "emails", at=edge.now + timedelta(seconds=1))
        return write(*arguments)

    push = push_edits.Push(edge.db, edge.table, lambda: edge.now, edge.deadline)
    push._write = lambda cases, now: edge.run().db.transact(lambda tx: changed_first(tx, cases, now))  # type: ignore[method-assign]
    push.run()
    assert edge.postgres(row_id, "emails") == "PostgreSQL's"
    edge.sync()
    assert edge.both(row_id) == ("PostgreSQL's", "PostgreSQL's")
    assert [row["winner"] for row in edge.conflicts()] == ["postgres"]


def test_an_email_that_is_deleted_between_reading_and_writing_is_not_made_anew(
    edge: EdgeHarness, database_url: str
) -> None:
    row_id = edge.add("emails")
    edge.to_cache()
    edge.edit(row_id, "the edge's")
    other = Database(database_url)

    @dataclass
    class Deleted(push_edits.Push):
        def _write(self, cases: Any, now: datetime) -> set[CacheItem]:
            other.run_script(f"delete from emails where id = '{row_id}'")
            return super()._write(cases, now)

    Deleted(edge.db, edge.table, lambda: edge.now, edge.deadline).run()
    other.close()
    assert edge.postgres(row_id, "emails") is None
    edge.sync()
    assert edge.both(row_id) == (None, None)
    assert len(edge.conflicts()) == 1


def test_edits_that_cannot_be_settled_do_not_hide_those_behind_them(edge: EdgeHarness) -> None:
    rows = [edge.add("emails") for _ in range(3)]
    edge.to_cache()
    for row_id in rows:
        edge.edit(row_id, "the edge's", at=edge.later(seconds=1))

    @dataclass
    class Stubborn(push_edits.Push):
        def _write(self, cases: Any, now: datetime) -> set[CacheItem]:
            return super()._write([case for case in cases if case.item.row_id != rows[0]], now)

    page, push_edits.PAGE = push_edits.PAGE, 1
    try:
        assert Stubborn(edge.db, edge.table, lambda: edge.now, edge.deadline).run()
    finally:
        push_edits.PAGE = page
    assert [edge.postgres(row_id, "emails") for row_id in rows] == ["first", "the edge's", "the edge's"]


def test_a_thousand_edits_cost_few_statements(edge: EdgeHarness, database_url: str) -> None:
    for number in range(1000):
        edge.edit(uuid4(), f"mail {number}")
    with CountingProxy(database_url) as proxy:
        through = Database(proxy.url)
        run = edge.run(through)
        proxy.forget()
        calls = edge.table.calls
        assert run.to_postgres()["written"] == 1000
        through.close()
        # Three of them are the run's own.
        assert len(proxy.queries) - 3 <= 10
    assert edge.table.calls - calls <= 1100
    edge.assert_equal()
