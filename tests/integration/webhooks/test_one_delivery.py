"""A single delivery is kept by a function with a kept plan, several by a statement: both do the same."""

from collections.abc import Sequence
from datetime import timedelta

from crm_relay.consent.erase import block_return
from crm_relay.consent.person import Person
from crm_relay.platform.database import Database, Row
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.store import keep_deliveries
from tests.support.platform.rows import rows_of
from tests.support.platform.tasks_source import RECEIVED

BODY = '{"task": "it\'s ada@example.com", "é": "\\u0041"}'


def delivery(name: str, seconds: int = 0) -> Delivered:
    headers = {"content-type": "application/json", "cookie": "no"}
    return Delivered(
        "task", BODY.encode(), RECEIVED + timedelta(seconds=seconds), headers, workspace_name="W0", delivery_id=name
    )


def keep(db: Database, deliveries: Sequence[Delivered]) -> list[Row]:
    rows = db.transact(lambda transaction: transaction.send_all([keep_deliveries(deliveries, {"bo@example.com"})]))[0]
    return sorted(rows, key=lambda row: str(row["dedupe_key"]))


def inbox(db: Database) -> list[Row]:
    return rows_of(db, "select * from webhook_inbox order by dedupe_key")


def comparable(rows: Sequence[Row]) -> list[Row]:
    return [
        {**row, "id": None, "applied_at": row["applied_at"] is not None, "dedupe_key": None, "headers": None}
        for row in rows
    ]


def test_one_is_kept_as_several_are(database: Database) -> None:
    block_return(database, Person(addresses=frozenset({"ada@example.com"})), RECEIVED)
    one = keep(database, [delivery("one")])
    (kept,) = inbox(database)
    several = keep(database, [delivery("two"), delivery("three")])
    rows = inbox(database)
    assert [set(row) for row in (*one, *several)] == [{"id", "dedupe_key", "erased"}] * 3
    assert [row["erased"] for row in (*one, *several)] == [["ada@example.com"]] * 3
    assert {row["id"]: row["dedupe_key"] for row in (*one, *several)} == {row["id"]: row["dedupe_key"] for row in rows}
    assert comparable(rows) == comparable([kept]) * 3
    assert [row["headers"]["delivery-id"] for row in rows if row["id"] == kept["id"]] == ["one"]


def test_one_that_was_applied_before_has_no_row_and_one_that_waited_has(database: Database) -> None:
    names = ("one", "two", "three")
    keep(database, [delivery(name) for name in names])
    assert keep(database, [delivery("one", seconds=9)]) == keep(database, [delivery("two"), delivery("three")]) == []
    before = inbox(database)
    rows_of(database, "update webhook_inbox set applied_at = null, error = 'away' returning id")
    assert len(keep(database, [delivery("one", seconds=9)])) == 1
    assert len(keep(database, [delivery("two"), delivery("three")])) == 2
    assert comparable(inbox(database)) == comparable([{**row, "attempts": 2} for row in before])
