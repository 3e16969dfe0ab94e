"""Values become SQL text in one place; here it is attacked without a database."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Json, Query, SqlValue, parse_queries, render_value
from tests.support.hostile_text import HOSTILE_TEXT


def parse(sql: str) -> Query:
    return Query.parse("test", "tests the renderer", sql)


@given(text=HOSTILE_TEXT)
def test_a_text_is_one_quoted_literal_whatever_stands_in_it(text: str) -> None:
    rendered = render_value(text)

    assert rendered[0] == rendered[-1] == "'"
    assert rendered[1:-1].replace("''", "") == rendered[1:-1].replace("''", "").replace("'", "")
    assert rendered[1:-1].replace("''", "'") == text


@given(text=HOSTILE_TEXT)
def test_what_stands_in_a_value_is_never_taken_for_a_parameter(text: str) -> None:
    assert parse("select :a, :b").render({"a": text, "b": ":a"}) == f"select {render_value(text)}, ':a'"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (7, "7"),
        (-7, "(-7)"),
        (-0.0, "(-0.0)"),
        (1.5, "1.5"),
        (float("nan"), "'nan'::float8"),
        (float("-inf"), "'-inf'::float8"),
        (Decimal("1E+5000"), "1E+5000"),
        (Decimal("-1E+5000"), "(-1E+5000)"),
        (Decimal("NaN"), "'NaN'::numeric"),
        (10**40, str(10**40)),
        (b"\x00'\xff", "'\\x0027ff'::bytea"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "'2026-01-02T03:04:05.000006+00:00'::timestamptz"),
        (date(2026, 1, 2), "'2026-01-02'::date"),
        (UUID(int=1), "'00000000-0000-0000-0000-000000000001'::uuid"),
        (["a'b", "c"], "array['a''b', 'c']"),
        (Json({"a": "it's"}), """'{"a": "it''s"}'::jsonb"""),
    ],
)
def test_each_type_has_its_form(value: SqlValue, expected: str) -> None:
    assert render_value(value) == expected


@given(number=st.integers() | st.floats() | st.decimals(allow_nan=None))
def test_a_number_behind_a_minus_never_opens_a_comment(number: float | Decimal) -> None:
    assert "--" not in parse("select 1 -:n").render({"n": number})


@pytest.mark.parametrize("value", ["a\0b", "\ud800", Json("\ud800"), ["fine", "a\0b"]])
def test_what_no_database_can_hold_is_refused_before_it_is_sent(value: SqlValue) -> None:
    with pytest.raises(RejectedInput):
        render_value(value)


@pytest.mark.parametrize("value", [datetime(2026, 1, 1), object(), {"a": 1}, ("a",), Json(object())])  # noqa: DTZ001
def test_a_value_without_a_sure_meaning_is_refused(value: SqlValue) -> None:
    with pytest.raises(TypeError):
        render_value(value)


@pytest.mark.parametrize("values", [{}, {"a": 1}, {"a": 1, "b": 2, "c": 3}])
def test_missing_and_superfluous_arguments_are_refused(values: dict[str, SqlValue]) -> None:
    with pytest.raises(TypeError, match="missing"):
        parse("select :a, :b").render(values)


@pytest.mark.parametrize(
    "sql",
    [
        "select ':a', '' ':a'",
        "select 'it''s :a'",
        r"select E'\':a'",
        r"select E'\\', ':a'",
        'select 1 as ":a"',
        "select 1 -- :a",
        "select 1 /* :a\n :a */",
        "do $$ begin :a; end $$",
        "do $tag$ :a $$ :a $tag$",
        "select x::a, x ::a",
        "select part[1:a], part[x:a], part[f(x):a], part[:a]",
        "select a:=1",
    ],
)
def test_a_colon_that_marks_no_parameter_is_left_alone(sql: str) -> None:
    assert parse(sql).parameters == frozenset()
    assert parse(sql).render({}) == sql


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select :a::text", "select 1::text"),
        ("select 'x':a", "select 'x'1"),
        ("select part[1: :a]", "select part[1: 1]"),
        ("select (:a),:a", "select (1),1"),
        ("select $$:a$$, :a -- :a", "select $$:a$$, 1 -- :a"),
        ("select '\\', :a, '\\'", "select '\\', 1, '\\'"),
        ("select 1 /* /* */ -- */\n, :a", "select 1 /* /* */ -- */\n, 1"),
    ],
)
def test_a_parameter_is_found_between_strings_comments_and_casts(sql: str, expected: str) -> None:
    assert parse(sql).parameters == {"a"}
    assert parse(sql).render({"a": 1}) == expected


def test_a_query_file_is_read_by_name_and_reason() -> None:
    queries = parse_queries("-- name: one\n-- Why one.\nselect 1;\n\n-- name: two\n-- Why two.\nselect :a;\n")

    assert [(q.name, q.why, q.sql) for q in queries.values()] == [
        ("one", "Why one.", "select 1"),
        ("two", "Why two.", "select :a"),
    ]


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse_queries("-- name: one\n-- Why.\nselect 1;\n-- name: one\n-- Why.\nselect 2;\n")
