"""Tables as a person reads them: whole, to the second, without what says nothing, and no wider than they may be."""

import io
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from rich.console import Console

from cli.output import tables
from cli.output.tables import moment, short_id, show

ID = UUID("5f7525a8-f20e-4782-8c7c-c9d016724190")


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    target = io.StringIO()
    monkeypatch.setattr(tables, "console", Console(file=target, width=100))
    return target


def cells(text: str) -> list[list[str]]:
    """Every line of a table by its columns."""
    return [
        [cell.strip() for cell in line.replace("┃", "│").split("│")[1:-1]]
        for line in text.splitlines()
        if line[:1] in "│┃"
    ]


def test_a_moment_is_shown_to_the_second_in_utc() -> None:
    at = datetime(2026, 12, 1, 4, 5, 6, 789, tzinfo=timezone(timedelta(hours=1)))
    assert moment(at) == "2026-12-01 03:05:06Z"


def test_lines_leave_out_zeros_and_what_is_empty(printed: io.StringIO) -> None:
    show(
        {"asked": 50, "unknown": 0, "topic": None, "changed": False, "by": {}, "of": {"a": 1, "b": 0}},
        False,
        "Enrolled",
    )
    assert printed.getvalue().startswith("Enrolled\n")
    assert cells(printed.getvalue()) == [["asked", "50"], ["changed", "no"], ["of", "a: 1"]]


def test_counts_that_are_all_zero_are_nothing(printed: io.StringIO) -> None:
    show({"addresses": ["ada@example.com"], "rows": {"contacts": 0, "prospects": 0}}, False, "Erasure")
    assert cells(printed.getvalue()) == [["addresses", "ada@example.com"], ["rows", "nothing"]]


def test_lines_of_nothing_but_zeros_are_shown(printed: io.StringIO) -> None:
    show({"new": 0, "known": 0}, False, "Imported")
    assert cells(printed.getvalue()) == [["new", "0"], ["known", "0"]]


def test_a_table_leaves_out_empty_columns_and_keeps_zeros_while_it_is_narrow(printed: io.StringIO) -> None:
    show([{"day": "a", "sms": 0, "why": None}, {"day": "b", "sms": 0, "why": ""}], False, "Load")
    assert cells(printed.getvalue()) == [["day", "sms"], ["a", "0"], ["b", "0"]]


def test_a_wide_table_leaves_out_columns_of_zeros(printed: io.StringIO) -> None:
    row = {"step": 1} | {f"count_{number}": 0 for number in range(9)} | {"sent": 3}
    show([row], False, "Steps")
    assert cells(printed.getvalue()) == [["step", "sent"], ["1", "3"]]


def test_nothing_is_cut_off_in_a_narrow_table(printed: io.StringIO) -> None:
    show([{"id": ID, "text": "word " * 40, "at": datetime(2026, 12, 1, tzinfo=UTC)}], False, "All")
    text = printed.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert "".join(row[1] + " " for row in cells(text)).split().count("word") == 40


def test_brackets_are_text_and_no_markup(printed: io.StringIO) -> None:
    show([{"name": "[red]x[/]"}], False, "[not] a style")
    assert "[red]x[/]" in printed.getvalue()
    assert "[not] a style" in printed.getvalue()


def test_a_short_id_is_the_beginning_of_the_id() -> None:
    assert short_id(ID) == "5f7525a8"
