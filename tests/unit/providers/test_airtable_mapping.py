"""Cells of Airtable in our words and back, settings of a connection, and what Airtable's words for errors lead to."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyairtable.models.schema import FieldType

from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.http_client import Answer
from crm_relay.providers.airtable.connector import AirtableConnector
from crm_relay.providers.airtable.cursor import TableCursor, read_cursor
from crm_relay.providers.airtable.mapping import CELL_TYPES, LONGEST_TEXT, UNMAPPED_TYPES, CellUnfit
from crm_relay.providers.airtable.refusals import AirtableRefused, IteratorGone, refusal
from crm_relay.providers.airtable.settings import monthly_calls, read_settings
from crm_relay.providers.connectors.failures import BillingLimit, PermissionMissing


def test_every_type_that_pyairtable_knows_is_mapped_or_named_as_not_mapped() -> None:
    known = {kind.value for kind in FieldType}
    assert set(CELL_TYPES) | UNMAPPED_TYPES == known
    assert not set(CELL_TYPES) & UNMAPPED_TYPES


READ: list[tuple[str, Any, Any]] = [
    ("singleLineText", " Ada ", "Ada"),
    ("singleLineText", " ", None),
    ("multilineText", "a\nb", "a\nb"),
    ("richText", "**a**\n", "**a**"),
    ("number", 3.0, "3"),
    ("number", 3.5, "3.5"),
    ("currency", 0, "0"),
    ("checkbox", True, "true"),
    ("checkbox", None, "false"),
    ("date", "2026-11-20", "2026-11-20"),
    ("dateTime", "2026-11-20T12:00:00.000Z", "2026-11-20T12:00:00+00:00"),
    ("singleSelect", "Lead", "Lead"),
    ("multipleSelects", ["a", "b"], "a, b"),
    ("barcode", {"text": "0123", "type": "upce"}, "0123"),
    ("singleCollaborator", {"id": "usr1", "email": "ada@x.example", "name": "Ada"}, "ada@x.example"),
    ("createdBy", {"id": "usr1", "name": "Ada"}, "Ada"),
    ("aiText", {"state": "generated", "isStale": False, "value": "x"}, "x"),
    ("aiText", {"state": "loading", "isStale": True, "value": None}, None),
    ("formula", "x", "x"),
    ("formula", 4, "4"),
    ("formula", True, "true"),
    ("formula", {"error": "#ERROR!"}, None),
    ("formula", {"specialValue": "NaN"}, None),
    ("rollup", [1, None, "b"], "1, b"),
    ("multipleLookupValues", ["a", "b"], "a, b"),
    ("autoNumber", 7, "7"),
    ("lastModifiedTime", "2026-11-20T12:00:00.000Z", "2026-11-20T12:00:00+00:00"),
]


@pytest.mark.parametrize(("kind", "cell", "value"), READ)
def test_a_cell_is_read_by_its_type(kind: str, cell: Any, value: Any) -> None:
    assert CELL_TYPES[kind].read(cell) == value
    if kind != "checkbox":
        assert CELL_TYPES[kind].read(None) is None


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("singleLineText", 3),
        ("number", "3"),
        ("number", True),
        ("checkbox", "Private"),
        ("date", "soon"),
        ("dateTime", 1_700_000_000),
        ("multipleSelects", "Private"),
        ("multipleSelects", [1]),
        ("singleCollaborator", "Ada"),
    ],
)
def test_a_cell_that_is_not_of_its_type_is_noticed_and_not_quoted(kind: str, cell: Any) -> None:
    with pytest.raises(CellUnfit) as error:
        CELL_TYPES[kind].read(cell)
    assert str(cell) not in str(error.value)


WRITTEN: list[tuple[str, Any, Any]] = [
    ("singleLineText", 7, "7"),
    ("email", "ada@x.example", "ada@x.example"),
    ("number", "12", 12),
    ("number", "-1.5", -1.5),
    ("rating", 3, 3),
    ("checkbox", "true", True),
    ("checkbox", False, False),
    ("date", "2026-11-20T23:00:00+00:00", "2026-11-20"),
    ("dateTime", "2026-11-20T13:00:00+01:00", "2026-11-20T12:00:00.000Z"),
    ("multipleSelects", "a, b,", ["a", "b"]),
    ("barcode", "0123", {"text": "0123"}),
]


@pytest.mark.parametrize(("kind", "value", "cell"), WRITTEN)
def test_a_value_is_written_by_the_type_of_the_cell(kind: str, value: Any, cell: Any) -> None:
    write = CELL_TYPES[kind].write
    assert write is not None
    assert write(value) == cell
    assert type(write(value)) is type(cell)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("singleLineText", "x" * (LONGEST_TEXT + 1)),
        ("number", "Secret"),
        ("number", "nan"),
        ("number", True),
        ("checkbox", "perhaps"),
        ("date", "soon"),
        ("dateTime", "soon"),
    ],
)
def test_a_value_that_a_cell_cannot_hold_is_refused_and_not_quoted(kind: str, value: Any) -> None:
    write = CELL_TYPES[kind].write
    assert write is not None
    with pytest.raises(CellUnfit) as error:
        write(value)
    assert str(value) not in str(error.value)


@given(st.sampled_from(sorted(CELL_TYPES)), st.one_of(st.text(), st.integers(), st.booleans()))
def test_what_is_written_reads_as_the_same_again(kind: str, value: Any) -> None:
    cell_type = CELL_TYPES[kind]
    if cell_type.write is None:
        return
    try:
        cell = cell_type.write(value)
    except CellUnfit:
        return
    once = cell_type.read(cell)
    if once is not None:
        assert cell_type.read(cell_type.write(once)) == once


# --- settings -------------------------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {"base_id": "appAbc1", "table_id": "tblAbc1", "fields": {"email": "fldA", "phone": "fldB"}}


def test_settings_name_a_table_and_its_fields() -> None:
    fields = {"email": {"id": "fldA", "type": "email"}, "phone": {"id": "fldB", "owner": "theirs"}}
    read = read_settings({**GOOD, "fields": fields, "adds_choices": True})
    assert [(rule.ours, rule.theirs, rule.owner) for rule in read.rules] == [
        ("email", "fldA", "latest"),
        ("phone", "fldB", "theirs"),
    ]
    assert (read.types, read.adds_choices) == ({"email": "email"}, True)
    assert [rule.ours for rule in read_settings(GOOD).rules] == ["email", "phone"]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"base_id": None}, "base_id: missing"),
        ({"base_id": "app1/../x"}, "base_id: an id begins with app"),
        ({"table_id": "People"}, "table_id: an id begins with tbl"),
        ({"fields": None}, "fields: missing"),
        ({"fields": {"phone": "fldB"}}, "fields.email: missing, people are matched by it"),
        ({"fields": {"email": "fldA", "phone": "fldA"}}, "fields.phone: another one has the same field"),
        ({"fields": {"email": "Email"}}, "fields.email: the id of a field begins with fld"),
        ({"fields": {"email": {"id": "fldA", "owner": "both"}}}, "fields.email.owner: ours, theirs or latest"),
        ({"fields": {"email": {"id": "fldA", "type": 7}}}, "fields.email.type: a type of field"),
        ({"fields": {"email": 7}}, "fields.email: the id of a field begins with fld"),
        ({"fields": {"email": "fldA", "Last name": "fldB"}}, "fields: each is the name of a column of ours"),
        ({"adds_choices": "yes"}, "adds_choices: true or false"),
        ({"plan": "gold"}, "plan: one of free, team, business, enterprise"),
    ],
)
def test_settings_that_cannot_be_used_are_named(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(RejectedInput) as error:
        read_settings({**GOOD, **changed})
    assert problem in error.value.details


def test_a_connection_keeps_to_the_calls_of_the_free_plan_unless_the_settings_name_another() -> None:
    assert [monthly_calls({"plan": plan}) for plan in ("team", "business", "gold", None)] == [100_000, None, 1000, 1000]
    assert monthly_calls({}) == 1000


def test_the_limits_are_those_of_the_base_and_of_the_account() -> None:
    limits = {each.scope: each for each in AirtableConnector().limits({**GOOD, "plan": "team"}, "one")}
    assert set(limits) == {"airtable:base:appAbc1", "airtable:account:one"}
    assert 4 < limits["airtable:base:appAbc1"].per_second < 5
    assert limits["airtable:base:appAbc1"].lock_out_seconds == 30
    assert limits["airtable:account:one"].monthly == 100_000
    assert [each.scope for each in AirtableConnector().limits({}, "one")] == ["airtable:account:one"]


# --- refusals -------------------------------------------------------------------------------------------------------

SECRET = 'Insufficient permissions to create new select option ""ada@x.example""'
REFUSED: list[tuple[int, Any, type[Exception] | None]] = [
    (403, {"error": {"type": "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", "message": "x"}}, PermissionMissing),
    (403, {"error": "INVALID_PERMISSIONS"}, PermissionMissing),
    (404, {"error": "NOT_FOUND"}, PermissionMissing),
    (404, {"error": {"type": "NOT_FOUND"}}, PermissionMissing),
    (422, {"error": {"type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}}, IteratorGone),
    (422, {"error": {"type": "INVALID_MULTIPLE_CHOICE_OPTIONS", "message": SECRET}}, AirtableRefused),
    (422, {"error": {"type": "ada@x.example", "message": SECRET}}, AirtableRefused),
    (422, ["x"], AirtableRefused),
    (422, None, AirtableRefused),
    (429, {"errors": [{"error": "RATE_LIMIT_REACHED", "message": "x"}]}, None),
    (429, {"error": {"type": "PUBLIC_API_BILLING_LIMIT_EXCEEDED", "message": "x"}}, BillingLimit),
    (429, {"errors": [{"error": "PUBLIC_API_BILLING_LIMIT_EXCEEDED"}]}, BillingLimit),
    (429, {"error": "RATE_LIMIT_REACHED"}, None),
    (429, {"errors": []}, None),
    (409, {}, None),
]


@pytest.mark.parametrize(("status", "body", "meaning"), REFUSED)
def test_an_answer_is_read_in_all_of_its_forms_and_not_quoted(
    status: int, body: Any, meaning: type[Exception] | None
) -> None:
    error = refusal(Answer(status, body))
    assert (None if error is None else type(error)) == meaning
    assert "x.example" not in str(error)


# --- cursors --------------------------------------------------------------------------------------------------------


@given(
    st.builds(
        TableCursor,
        since=st.none() | st.datetimes(timezones=st.just(UTC)),
        began=st.none() | st.datetimes(timezones=st.just(UTC)),
        offset=st.none() | st.text(min_size=1),
        restarts=st.integers(0, 3),
        mapping=st.text(),
        types=st.dictionaries(st.text(min_size=1), st.text()),
        modified_id=st.none() | st.text(min_size=1),
    )
)
def test_a_cursor_survives_its_text(cursor: TableCursor) -> None:
    assert read_cursor(cursor.text()) == cursor
