"""Rows that are rendered as a `values` list come back equal from a real PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Json, Query, Rows
from tests.support.hostile_text import HOSTILE_TEXT

THOROUGH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FAR_AWAY = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC))  # noqa: DTZ001
COLUMNS = {
    "id": ("uuid", st.uuids()),
    "name": ("text", HOSTILE_TEXT),
    "at": ("timestamptz", FAR_AWAY),
    "day": ("date", st.dates()),
    "small": ("smallint", st.integers(-(2**15), 2**15 - 1)),
    "big": ("bigint", st.integers(-(2**63), 2**63 - 1)),
    "amount": ("numeric", st.decimals(-(10**20), 10**20, allow_nan=False)),
    "real": ("double precision", st.floats(allow_nan=False)),
    "is_it": ("boolean", st.booleans()),
    "raw": ("bytea", st.binary()),
    "names": ("text[]", st.lists(HOSTILE_TEXT)),
    "ids": ("uuid[]", st.lists(st.uuids())),
    "numbers": ("bigint[]", st.lists(st.integers(-(2**63), 2**63 - 1))),
    "body": ("jsonb", st.dictionaries(HOSTILE_TEXT, HOSTILE_TEXT | st.none() | st.integers(-(2**53), 2**53))),
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, (_, values) in COLUMNS.items()}), max_size=5)
DECLARED = ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())


@pytest.fixture(scope="module")
def server(postgres_url: str) -> Iterator[Database]:
    """The server itself: these statements touch no table."""
    database = Database(postgres_url)
    yield database
    database.close()


def echo(server: Database, declared: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    query = Query.parse("echo", "sends rows there and back", f"select * from :rows as it ({declared})")
    return server.run(query, rows=Rows(rows))


@THOROUGH
@given(rows=ROWS)
def test_any_rows_come_back_as_they_were(server: Database, rows: list[dict[str, Any]]) -> None:
    sent = [{**row, "body": None if row["body"] is None else Json(row["body"])} for row in rows]
    assert echo(server, DECLARED, sent) == rows


@pytest.mark.parametrize("rows", [[], [dict.fromkeys(COLUMNS)], [dict.fromkeys(COLUMNS)] * 2])
def test_the_types_are_the_declared_ones_whatever_the_rows(server: Database, rows: list[dict[str, Any]]) -> None:
    kinds = ", ".join(f"pg_typeof({name})::text as {name}" for name in COLUMNS)
    one_at_least = f"select {kinds} from :rows as it ({DECLARED}) right join (select) as one on true"
    query = Query.parse("types", "asks for the types", one_at_least)
    found = server.run(query, rows=Rows(rows))
    expected = {name: kind.replace("timestamptz", "timestamp with time zone") for name, (kind, _) in COLUMNS.items()}
    assert found == [expected] * max(len(rows), 1)


@pytest.mark.parametrize("first", [None, 1, Decimal("1.5")])
def test_a_column_has_one_type_whichever_row_comes_first(server: Database, first: Any) -> None:
    rows = [{"n": first}, {"n": 2}, {"n": Decimal("2.5")}, {"n": 1e300}]
    assert echo(server, "n numeric", rows) == [
        {"n": None if row["n"] is None else Decimal(str(row["n"]))} for row in rows
    ]


@pytest.mark.parametrize("place", [0, 1])
def test_a_value_that_its_type_does_not_take_is_a_rejected_input(server: Database, place: int) -> None:
    for kind, value in (("uuid", "no"), ("smallint", 40000), ("integer", 1.5), ("timestamptz", "yesterdayish")):
        rows = [{"it": None}, {"it": None}]
        rows[place] = {"it": value}  # type: ignore[dict-item]
        with pytest.raises(RejectedInput):
            echo(server, f"it {kind}", rows)


def test_a_time_that_python_cannot_hold_comes_back_as_its_text(server: Database) -> None:
    texts = ["infinity", "-infinity", "10000-01-01 00:00:00+00", "0044-03-15 00:00:00+00 BC"]
    found = echo(server, "at timestamptz", [{"at": text} for text in texts])
    assert [row["at"] for row in found] == texts


def test_a_time_in_another_zone_comes_back_as_the_same_moment(postgres_url: str) -> None:
    database = Database(postgres_url)
    for zone in ("UTC", "Asia/Kathmandu", "America/St_Johns", "Europe/Amsterdam"):
        database.run_script(f"set time zone '{zone}'")
        for year in (1, 1850, 1937, 2026, 9998):
            at = datetime(year, 7, 2, 3, 4, 5, 60, tzinfo=UTC)
            (row,) = echo(database, "at timestamptz", [{"at": at}])
            assert row["at"] - at == timedelta(0)
    database.close()


def test_a_date_keeps_its_day(server: Database) -> None:
    assert echo(server, "day date", [{"day": date(1, 1, 1)}]) == [{"day": date(1, 1, 1)}]
