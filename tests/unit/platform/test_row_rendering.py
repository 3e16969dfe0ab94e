"""A parameter of rows declares its columns in the statement; here it is rendered without a database."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from crm_relay.platform.sql import Json, Query, Rows, SqlValue


def parse(sql: str) -> Query:
    return Query.parse("test", "tests the renderer", sql)


MAILS = parse("select * from :mails as mail (id uuid, status text, at timestamptz), :org as org where :n > 1")
ONE: dict[str, SqlValue] = {"at": datetime(2026, 1, 2, tzinfo=UTC), "status": "it's", "id": UUID(int=1)}


def test_the_first_row_gives_the_types_and_the_alias_loses_them() -> None:
    two: dict[str, SqlValue] = {"id": None, "status": ":n", "at": None}
    assert MAILS.render({"mails": Rows([ONE, two]), "org": 5, "n": 2}) == (
        "select * from (values ('00000000-0000-0000-0000-000000000001'::uuid, 'it''s'::text, "
        "'2026-01-02T00:00:00+00:00'::timestamptz), (null, ':n', null)) as mail (id, status, at), 5 as org where 2 > 1"
    )


def test_no_rows_are_a_select_of_no_row_with_the_same_types() -> None:
    assert "from (select null::uuid, null::text, null::timestamptz where false) as mail (id" in MAILS.render(
        {"mails": Rows([]), "org": 5, "n": 2}
    )


def test_a_single_row_is_a_select_of_constants() -> None:
    assert "from (select '00000000-0000-0000-0000-000000000001'::uuid, 'it''s'::text, " in MAILS.render(
        {"mails": Rows([ONE]), "org": 5, "n": 2}
    )


def test_rows_that_are_inserted_take_the_types_of_the_table() -> None:
    query = parse("insert into mails (id, status) values :mails as mail (id uuid, status text) returning id")
    row: dict[str, SqlValue] = {"id": UUID(int=1), "status": None}
    assert query.render({"mails": Rows([row, {"id": None, "status": "x"}])}) == (
        "insert into mails (id, status) values ('00000000-0000-0000-0000-000000000001', null), (null, 'x') returning id"
    )
    assert query.render({"mails": Rows([])}) == (
        "insert into mails (id, status) select null::uuid, null::text where false returning id"
    )


def test_each_type_has_a_form_without_a_type() -> None:
    columns = "a integer, b boolean, c bytea, d jsonb, e uuid[], f double precision"
    row: dict[str, SqlValue] = {"a": -7, "b": True, "c": b"\x01", "d": Json({"x": "'"}), "e": [], "f": 0.5}
    text = parse(f"from :rows as it ({columns})").render({"rows": Rows([row, row])})
    assert text == (
        "from (values ('-7'::integer, 'True'::boolean, '\\x01'::bytea, '{\"x\": \"''\"}'::jsonb, "
        "array[]::uuid[]::uuid[], '0.5'::double precision), "
        "('-7', 'True', '\\x01', '{\"x\": \"''\"}', array[]::uuid[], '0.5')) as it (a, b, c, d, e, f)"
    )


@pytest.mark.parametrize("row", [{}, {**ONE, "more": 1}, {"id": None, "status": None, "when": None}])
def test_a_row_with_other_columns_is_refused(row: dict[str, SqlValue]) -> None:
    with pytest.raises(TypeError, match="columns"):
        MAILS.render({"mails": Rows([ONE, row]), "org": 5, "n": 2})


@pytest.mark.parametrize(
    "values",
    [{"mails": 1, "org": 5, "n": 2}, {"mails": Rows([]), "org": Rows([]), "n": 2}],
)
def test_rows_and_single_values_are_not_mixed_up(values: dict[str, SqlValue]) -> None:
    with pytest.raises(TypeError, match="Rows"):
        MAILS.render(values)


def test_rows_in_a_row_and_a_naive_time_are_refused() -> None:
    for value in (Rows([]), datetime(2026, 1, 1)):  # noqa: DTZ001
        with pytest.raises(TypeError):
            MAILS.render({"mails": Rows([{**ONE, "at": value}]), "org": 5, "n": 2})


@pytest.mark.parametrize(
    "sql",
    [
        "cast(:x as numeric(10, 2))",
        "cast(:x as varchar (20))",
        "select * from jsonb_to_recordset(:x) as it (id uuid, at timestamptz)",
        "select * from unnest(:x) as it (id)",
        "select * from f(:x) as it(id, at)",
    ],
)
def test_what_only_resembles_a_declaration_of_columns_is_left_alone(sql: str) -> None:
    assert parse(sql).shapes == (None,)
    assert parse(sql).sql == sql


def test_one_parameter_may_stand_for_rows_of_two_forms() -> None:
    query = parse("from :r as a (id uuid), :r as b (id text), :r as a (id uuid)")
    assert query.render({"r": Rows([{"id": "x"}])}) == (
        "from (select 'x'::uuid) as a (id), (select 'x'::text) as b (id), (select 'x'::uuid) as a (id)"
    )
