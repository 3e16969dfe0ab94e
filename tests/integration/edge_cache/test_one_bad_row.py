"""One row that cannot be carried holds up nobody, in either direction, whatever error it causes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from crm_relay.edge_cache.models import CacheItem, SourceRow, WriteOutcome, WriteResult
from crm_relay.edge_cache.record_email import record_email
from crm_relay.platform.aws.dynamo import RequestRefused
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from tests.support.edge_cache.edge_harness import EdgeHarness
from tests.support.edge_cache.edge_twin import EdgeTwin

ODD = "".join(f"{number:x}" for number in range(5000))
"""So long that no index takes it, and so varied that compression does not help."""


@pytest.mark.parametrize("field_name", ["message_id", "from_email", "to_email", "subject", "status", "direction"])
def test_an_email_is_refused_at_the_door_for_a_field_that_no_mail_has(edge: EdgeHarness, field_name: str) -> None:
    with pytest.raises(RejectedInput) as refused:
        record_email(edge.table, {"id": str(uuid4()), field_name: ODD}, edge.now)
    assert refused.value.status == 422
    assert refused.value.details[0].startswith(f"{field_name}:")


@pytest.mark.parametrize("field_name", ["message_id", "from_email"])
def test_an_email_with_an_endless_field_is_parked_with_the_reason(edge: EdgeHarness, field_name: str) -> None:
    bad, good = uuid4(), uuid4()
    edge.edit_raw(bad, json.dumps({"id": str(bad), field_name: ODD}))
    edge.edit(good, "good")
    answer = edge.to_postgres()
    assert (answer["parked"], answer["written"], answer["finished"]) == (1, 1, True)
    assert edge.both(good) == ("good", "good")
    assert field_name in edge.parked("to_postgres")[bad]


@pytest.mark.parametrize("bad_ones", [1, 12])
@pytest.mark.parametrize("sqlstate", ["54000", "P0001", "22023", "XX001", "42703", "XX000"])
def test_whatever_the_database_says_of_one_edit_the_others_go_on(
    edge: EdgeHarness, sqlstate: str, bad_ones: int
) -> None:
    """Also where all of the oldest are bad."""
    edge.db.run_script(
        "create function refuse() returns trigger language plpgsql as $$ begin "
        f"if new.subject like 'bad%' then raise exception 'no' using errcode = '{sqlstate}'; end if; "
        "return new; end $$; "
        "create trigger refuses before insert or update on emails for each row execute function refuse()"
    )
    bad = [uuid4() for _ in range(bad_ones)]
    good = [uuid4() for _ in range(3)]
    for row_id in bad:
        edge.edit(row_id, "bad", at=edge.later(seconds=1))
    for row_id in good:
        edge.edit(row_id, "good", at=edge.later(seconds=1))
    answer = edge.to_postgres()
    assert (answer["parked"], answer["written"], answer["finished"]) == (bad_ones, 3, True)
    assert set(edge.parked("to_postgres")) == set(bad)
    assert all(sqlstate in reason for reason in edge.parked("to_postgres").values())


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "20225-01-01T00:00:00Z", "0045-01-01T00:00:00Z BC"])
@pytest.mark.parametrize("column", ["updated_at", "created_at"])
def test_a_row_of_an_impossible_time_reaches_the_edge_with_the_others(
    edge: EdgeHarness, moment: str, column: str
) -> None:
    bad, good = edge.add(name="odd"), edge.add(name="good")
    edge.sql(f"update prospects set {column} = cast(:moment as timestamptz) where id = :id", moment=moment, id=bad)
    assert edge.to_cache()["finished"]
    assert (edge.edge(good), edge.edge(bad)) == ("good", "odd")
    assert edge.resync("prospects")["phase"] == "done"
    edge.assert_equal()


@dataclass
class ChokingTwin(EdgeTwin):
    """The store, or our own code on the way to it, cannot take one row."""

    chokes_on: UUID | None = None
    error: Exception = field(default_factory=lambda: AttributeError("no such thing"))

    def write(self, rows: Sequence[SourceRow], *, now: datetime, generation: int | None = None) -> list[WriteResult]:
        return [self._choke(row, now, generation) for row in rows]

    def _choke(self, row: SourceRow, now: datetime, generation: int | None) -> WriteResult:
        if row.row_id == self.chokes_on:
            return WriteResult(row, WriteOutcome.FAILED, "chokes")
        return super().write([row], now=now, generation=generation)[0]

    def settle(self, seen: CacheItem, *, version: int, doc: str | None, updated_at: datetime, now: datetime) -> bool:
        if seen.row_id == self.chokes_on:
            raise self.error
        return super().settle(seen, version=version, doc=doc, updated_at=updated_at, now=now)


@pytest.mark.parametrize("error", [AttributeError("x"), RequestRefused("dynamodb update_item: ValidationException")])
def test_an_item_that_cannot_be_settled_is_parked_and_holds_nobody_up(database: Database, error: Exception) -> None:
    bad, good = uuid4(), uuid4()
    table = ChokingTwin(chokes_on=bad, error=error)
    edge = EdgeHarness(database, table)
    edge.begin()
    edge.edit(bad, "bad")
    edge.edit(good, "good", at=edge.later(seconds=1))
    answer = edge.to_postgres()
    assert (answer["parked"], answer["finished"]) == (1, True)
    assert edge.both(good) == ("good", "good")
    assert list(edge.parked("to_postgres")) == [bad]


def test_a_row_that_cannot_be_read_is_parked_and_holds_nobody_up(edge: EdgeHarness) -> None:
    """As one whose document is larger than PostgreSQL makes."""
    edge.db.run_script(
        "create function choke(name text) returns text language plpgsql immutable as $$ begin "
        "if name = 'bad' then raise exception 'no' using errcode = '54000'; end if; return name; end $$; "
        "alter view edge_source rename to whole_source; "
        "create view edge_source as select entity, id, version, updated_at, bucket, "
        "case when choke(doc::jsonb ->> 'name') is null then doc else doc end as doc, edge_base from whole_source"
    )
    bad, gone = edge.add(name="bad"), edge.add(name="gone")
    good = [edge.add(name=f"good {number}") for number in range(5)]
    edge.delete(gone)
    assert edge.to_cache()["finished"]
    assert [edge.edge(row_id) for row_id in good] == [f"good {number}" for number in range(5)]
    assert edge.parked() == {bad: "database error 54000"}
    edge.change(bad, "mended")
    edge.later(hours=2)
    edge.to_cache()
    assert (edge.edge(bad), edge.parked()) == ("mended", {})


def test_an_edit_of_the_last_moment_of_the_calendar_is_taken(edge: EdgeHarness) -> None:
    row_id = edge.add("emails")
    edge.to_cache()
    doc = json.dumps(edge.doc(row_id, "emails") | {"subject": "late"})
    at = datetime.fromisoformat("9999-12-31T23:59:59+00:00")
    edge.table.edit("emails", row_id, doc, edited_at=at)
    other = uuid4()
    edge.edit(other, "good")
    edge.later(minutes=1)
    assert edge.to_postgres()["finished"]
    assert edge.both(other) == ("good", "good")
    assert edge.both(row_id) == ("late", "late")
    assert edge.one("select updated_at from emails where id = :id", id=row_id)["updated_at"] <= edge.now + timedelta(
        minutes=5
    )
