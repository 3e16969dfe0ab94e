"""What is rendered comes back equal from a real PostgreSQL."""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Json, Query, SqlValue
from tests.support.hostile_text import HOSTILE_TEXT

THOROUGH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)  # noqa: DTZ001
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False).filter(lambda n: abs(n.adjusted()) < 1000)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | HOSTILE_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(HOSTILE_TEXT, inner),
)


@pytest.fixture(scope="module")
def server(postgres_url: str) -> Iterator[Database]:
    """The server itself: these statements touch no table."""
    database = Database(postgres_url)
    yield database
    database.close()


def echo(server: Database, kind: str, value: SqlValue) -> Any:
    return server.run(Query.parse("echo", "sends a value there and back", f"select cast(:v as {kind}) as v"), v=value)[
        0
    ]["v"]


@THOROUGH
@given(text=HOSTILE_TEXT)
def test_any_text_comes_back_as_it_was(server: Database, text: str) -> None:
    assert echo(server, "text", text) == text


@THOROUGH
@given(texts=st.lists(HOSTILE_TEXT), numbers=st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_lists_come_back_as_they_were(server: Database, texts: list[str], numbers: list[int]) -> None:
    assert echo(server, "text[]", texts) == texts
    assert echo(server, "bigint[]", numbers) == numbers


@THOROUGH
@given(
    ids=st.lists(st.uuids()), words=st.lists(st.sampled_from(["null", "NULL", "a", "", "{}", '"', " b", "c,d", "\\"]))
)
def test_lists_of_ids_and_of_words_that_need_quotes_come_back_as_they_were(
    server: Database, ids: list[UUID], words: list[str]
) -> None:
    assert echo(server, "uuid[]", ids) == ids
    assert echo(server, "text[]", words) == words


@THOROUGH
@given(integer=st.integers(-(2**63), 2**63 - 1), real=st.floats(allow_nan=False), number=NUMBERS)
def test_numbers_come_back_as_they_were(server: Database, integer: int, real: float, number: Decimal) -> None:
    assert echo(server, "bigint", integer) == integer
    assert echo(server, "float8", real) == real
    assert echo(server, "numeric", number) == number


def test_numbers_that_are_none_come_back_as_such(server: Database) -> None:
    assert math.isnan(echo(server, "float8", math.nan))
    assert echo(server, "numeric", Decimal("NaN")).is_nan()
    assert echo(server, "numeric", Decimal("-Infinity")) == Decimal("-Infinity")


@THOROUGH
@given(integer=st.integers(-(10**30), 10**30), real=st.floats(-1e6, 1e6))
def test_a_number_means_the_same_inside_an_expression(server: Database, integer: int, real: float) -> None:
    minus = Query.parse(
        "minus", "puts numbers behind a minus", "select (5 -:n)::numeric as n, (0::float8-:r)::float8 as r"
    )
    (row,) = server.run(minus, n=integer, r=real)
    assert (row["n"], row["r"]) == (5 - integer, 0 - real)


@THOROUGH
@given(raw=st.binary(), at=TIMES, day=st.dates(), identity=st.uuids(), truth=st.none() | st.booleans())
def test_bytes_times_and_ids_come_back_as_they_were(
    server: Database, raw: bytes, at: datetime, day: date, identity: Any, truth: bool | None
) -> None:
    assert echo(server, "bytea", raw) == raw
    assert echo(server, "timestamptz", at) == at
    assert echo(server, "date", day) == day
    assert echo(server, "uuid", identity) == identity
    assert echo(server, "boolean", truth) is truth


# To think up such values takes far longer than to send them there and back.
@settings(THOROUGH, max_examples=40)
@given(value=JSON_VALUES)
def test_json_comes_back_as_it_was(server: Database, value: Any) -> None:
    assert echo(server, "jsonb", Json(value)) == value


@pytest.mark.slow
@settings(THOROUGH, max_examples=2000)
@given(value=JSON_VALUES)
def test_much_more_json_comes_back_as_it_was(server: Database, value: Any) -> None:
    assert echo(server, "jsonb", Json(value)) == value


@pytest.mark.parametrize("value", [Json(math.nan), Json("a\0b"), Decimal("1E+999999"), Decimal("sNaN"), "not a number"])
def test_what_the_server_cannot_hold_is_a_rejected_input(server: Database, value: SqlValue) -> None:
    with pytest.raises(RejectedInput):
        echo(server, "jsonb" if isinstance(value, Json) else "numeric", value)


def test_a_server_that_treats_backslashes_otherwise_is_refused(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    name = empty_database_url.rsplit("/", 1)[1]
    database.run_script(f"alter database {name} set standard_conforming_strings = off")
    database.close()

    with pytest.raises(Exception, match="standard_conforming_strings"):
        echo(database, "text", "x")


def test_the_present_comes_back_to_the_microsecond(server: Database) -> None:
    now = datetime.now(UTC)
    assert echo(server, "timestamptz", now) == now
