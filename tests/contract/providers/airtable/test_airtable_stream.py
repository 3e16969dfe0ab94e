"""The stream over the simulated Airtable: pages, changes, writes, refusals, a schema that moves, and every fault."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from crm_relay.platform.errors import NoAnswer, RateLimited, RejectedInput, ServerFailed, TransientError
from crm_relay.providers.connectors.contract import OutgoingRecord, RecordStream, WriteRefused, Written
from crm_relay.providers.connectors.failures import (
    BillingLimit,
    CursorLost,
    PermissionMissing,
    ReconnectNeeded,
    SchemaDrift,
)
from local.simulators.airtable import AirtableFault, AirtableSimulator
from local.simulators.clock import MovableClock
from tests.support.connections.airtable_stage import AirtablePeople, by_address, read_all

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def sim() -> Iterator[AirtableSimulator]:
    with AirtableSimulator(clock=MovableClock(lambda: START), requests_per_second=None) as running:
        yield running


@pytest.fixture
def made(sim: AirtableSimulator) -> AirtablePeople:
    return AirtablePeople(sim)


def outgoing(letter: str, their_id: str | None = None, **fields: Any) -> OutgoingRecord:
    return OutgoingRecord(their_id, f"{letter}@x.example", {"email": f"{letter}@x.example", **fields})


# --- reading --------------------------------------------------------------------------------------------------------


def test_a_complete_pass_reads_every_row_with_every_mapped_field(made: AirtablePeople) -> None:
    made.add(*(f"p{number}" for number in range(230)), First_name=" Ada ")
    records, last = read_all(made.stream())
    assert len(by_address(records)) == 230
    assert all(set(record.fields) == {"email", "first_name", "last_name", "company_name"} for record in records)
    assert {(record.fields["first_name"], record.fields["company_name"]) for record in records} == {("Ada", None)}
    assert last.is_complete
    assert made.sent == ["GET /meta/bases/app/tables", *["GET /app/tbl"] * 3]


def test_then_only_what_changed_is_read_by_one_request_where_nothing_did(
    made: AirtablePeople, sim: AirtableSimulator
) -> None:
    ids = made.add("a", "b")
    _, last = read_all(made.stream())
    sim.advance(900)
    caught_up = made.stream().read(last.cursor)
    sim.advance(900)
    made.session.recorded.clear()
    page = made.stream().read(caught_up.cursor)
    assert (list(page.records), page.is_last, page.is_complete) == ([], True, False)
    assert made.sent == ["GET /app/tbl"]
    sim.advance(900)
    sim.edit_row(made.table, ids[1], Company="Contoso")
    new = made.add("c")
    sim.advance(900)
    records, last = read_all(made.stream(), page.cursor)
    assert [record.their_id for record in records] == [ids[1], *new]
    sim.advance(900)
    assert read_all(made.stream(), last.cursor)[0] == []


def test_what_changes_while_pages_are_read_is_read_next_time(made: AirtablePeople, sim: AirtableSimulator) -> None:
    ids = made.add(*(f"p{number}" for number in range(150)))
    stream = made.stream()
    first = stream.read(None)
    sim.advance(60)
    sim.edit_row(made.table, ids[0], Company="Contoso")
    sim.advance(240)
    last = stream.read(first.cursor)
    assert last.is_last
    assert by_address(read_all(made.stream(), last.cursor)[0])["p0@x.example"].fields["company_name"] == "Contoso"


def test_a_change_at_the_very_second_of_a_read_is_not_lost(made: AirtablePeople, sim: AirtableSimulator) -> None:
    _, last = read_all(made.stream())
    (new,) = made.add("a")
    sim.advance(900)
    assert [record.their_id for record in read_all(made.stream(), last.cursor)[0]] == [new]


def test_the_time_of_a_change_comes_from_a_field_that_watches_all_others(
    made: AirtablePeople, sim: AirtableSimulator
) -> None:
    sim.add_field(made.table, "Some", "lastModifiedTime").options["referencedFieldIds"] = ["fldX"]
    made.add("a")
    assert [record.changed_at for record in read_all(made.stream())[0]] == [None]
    sim.add_field(made.table, "Modified", "lastModifiedTime")
    sim.advance(60)
    made.add("b")
    records, last = read_all(made.stream())
    assert [record.changed_at for record in records] == [START, sim.account.clock.now()]
    sim.remove_field(made.table, "Modified")
    sim.advance(60)
    made.add("c")
    records, _ = read_all(made.stream(), last.cursor)
    assert [record.changed_at for record in records if record.fields["email"] == "c@x.example"] == [None]


def test_a_listing_that_ends_is_begun_again_for_changes_and_lost_for_a_complete_pass(
    made: AirtablePeople, sim: AirtableSimulator
) -> None:
    made.add("a")
    sim.advance(900)
    _, done = read_all(made.stream())
    sim.advance(900)
    made.add(*(f"p{number}" for number in range(150)))
    page = made.stream().read(done.cursor)
    assert not page.is_last
    sim.advance(301)
    again = made.stream().read(page.cursor)
    assert (list(again.records), again.is_last) == ([], False)
    assert len(read_all(made.stream(), again.cursor)[0]) == 150
    cursor = page.cursor
    for _ in range(3):
        sim.fault("422_iterator", match="GET /v0/app")
        cursor = made.stream().read(cursor).cursor
    sim.fault("422_iterator", match="GET /v0/app")
    with pytest.raises(CursorLost):
        made.stream().read(cursor)
    first = made.stream().read(None)
    sim.advance(301)
    with pytest.raises(CursorLost):
        made.stream().read(first.cursor)


@pytest.mark.parametrize("cursor", ["", "x", "[]", '{"types": 1}', '{"restarts": "x"}'])
def test_a_cursor_that_is_not_ours_is_lost(made: AirtablePeople, cursor: str) -> None:
    with pytest.raises(CursorLost):
        made.stream().read(cursor)


def test_a_table_that_cannot_be_filtered_is_read_as_a_whole(made: AirtablePeople, sim: AirtableSimulator) -> None:
    made.add("a")
    _, last = read_all(made.stream())
    sim.fault("422_formula", match="filterByFormula")
    with pytest.raises(CursorLost):
        made.stream().read(last.cursor)
    assert len(read_all(made.stream())[0]) == 1


def test_a_cursor_holds_nothing_of_a_person(made: AirtablePeople) -> None:
    made.add(*(f"p{number}" for number in range(101)), First_name="Ada")
    cursor = made.stream().read(None).cursor
    assert "x.example" not in cursor
    assert "Ada" not in cursor
    assert set(json.loads(cursor)) == {"began", "mapping", "offset", "types"}


def test_another_mapping_needs_a_complete_pass(made: AirtablePeople) -> None:
    made.add("a", Notes="x")
    _, last = read_all(made.stream())
    settings = made.settings()
    settings["fields"]["email"]["owner"] = "ours"
    assert made.stream(**settings).read(last.cursor).is_last, "only the owner is another one"
    settings["fields"]["title"] = made.field_id("Notes")
    with pytest.raises(CursorLost):
        made.stream(**settings).read(last.cursor)
    assert [record.fields["title"] for record in read_all(made.stream(**settings))[0]] == ["x"]


def test_rows_are_looked_up_by_id(made: AirtablePeople) -> None:
    one, two = made.add("a", "b")
    found = made.stream().look_up([two, "recGone0000000000", one, "rec'),TRUE(),OR('"])
    assert {record.their_id for record in found} == {one, two}
    assert made.stream().look_up(["no id"]) == ()


# --- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("email_type", ["singleLineText", "email"])
def test_known_rows_are_changed_and_others_found_by_their_address_or_made(
    sim: AirtableSimulator, email_type: str
) -> None:
    made = AirtablePeople(sim, email_type)
    known, other = made.add("a", "b", Company="Contoso")
    outcomes = made.stream().write(
        [
            outgoing("a2", known, first_name="Ada"),
            outgoing("b", first_name="Bo", company_name=None),
            outgoing("c", company_name=None),
        ]
    )
    written = [each for each in outcomes if isinstance(each, Written)]
    assert [(each.their_id, each.is_new) for each in written[:2]] == [(known, False), (other, False)]
    assert written[2].is_new
    assert written[1] == Written(other, False, {"email": "b@x.example", "first_name": "Bo"})
    assert made.rows == [
        {"id": known, "Email": "a2@x.example", "First name": "Ada", "Company": "Contoso"},
        {"id": other, "Email": "b@x.example", "First name": "Bo", "Company": "Contoso"},
        {"id": written[2].their_id, "Email": "c@x.example"},
    ]


def test_a_write_is_one_request_and_the_schema_is_asked_for_once(made: AirtablePeople) -> None:
    stream = made.stream()
    for start in (0, 10):
        stream.write([outgoing(f"p{number}") for number in range(start, start + 10)])
    assert made.sent == ["GET /meta/bases/app/tables", "PATCH /app/tbl", "PATCH /app/tbl"]
    assert len(made.rows) == 20


def test_an_address_in_another_spelling_is_found_where_airtable_cannot_upsert(sim: AirtableSimulator) -> None:
    made = AirtablePeople(sim, "email")
    row = sim.add_row(made.table, Email=" Ada@X.example ").id
    outcomes = made.stream().write([OutgoingRecord(None, "ada@x.example", {"email": "ada@x.example"})])
    assert outcomes == [Written(row, False, {"email": "ada@x.example"})]
    odd = OutgoingRecord(None, "o'br\\ien@x.example", {"email": "o'br\\ien@x.example"})
    assert [isinstance(each, Written) for each in made.stream().write([odd])] == [True]
    sim.rename_field(made.table, "Email", "E-mail {work} \\")
    assert [each.is_new for each in made.stream().write([odd]) if isinstance(each, Written)] == [False]


@pytest.mark.parametrize("email_type", ["singleLineText", "email"])
def test_two_rows_with_one_address_refuse_that_record_alone(sim: AirtableSimulator, email_type: str) -> None:
    made = AirtablePeople(sim, email_type)
    made.add("twice", "twice")
    batch = [outgoing("new"), outgoing("twice")]
    if email_type == "singleLineText":
        with pytest.raises(RejectedInput):
            made.stream().write(batch)
        assert len(made.rows) == 2
    outcomes = [made.stream().write([each])[0] for each in batch]
    assert isinstance(outcomes[0], Written)
    assert isinstance(outcomes[1], WriteRefused)
    assert not outcomes[1].is_gone
    assert len(made.rows) == 3


def test_a_row_that_is_gone_says_so(made: AirtablePeople) -> None:
    outcome = made.stream().write([outgoing("a", "recGone0000000000")])[0]
    assert outcome == WriteRefused("Airtable refuses it: ROW_DOES_NOT_EXIST", is_gone=True)
    with pytest.raises(RejectedInput):
        made.stream().write([outgoing("a", "recGone0000000000"), outgoing("b")])
    assert made.rows == []


def test_a_value_that_a_cell_cannot_hold_refuses_its_record_alone_and_is_not_quoted(
    made: AirtablePeople, sim: AirtableSimulator
) -> None:
    sim.change_type(made.table, "Company", "number")
    outcomes = made.stream().write(
        [outgoing("a", company_name="Secret Ltd"), outgoing("b", company_name="12"), outgoing("c", company_name=None)]
    )
    assert outcomes[0] == WriteRefused("company_name: not a number")
    assert [isinstance(each, Written) for each in outcomes[1:]] == [True, True]
    assert made.rows[0]["Company"] == 12


def test_a_choice_that_a_field_does_not_know_is_refused_or_added_as_the_settings_say(
    made: AirtablePeople, sim: AirtableSimulator
) -> None:
    sim.change_type(made.table, "Company", "singleSelect")
    record = outgoing("a", company_name="Secret Ltd")
    outcome = made.stream().write([record])[0]
    assert outcome == WriteRefused("Airtable refuses it: INVALID_MULTIPLE_CHOICE_OPTIONS")
    assert isinstance(made.stream(adds_choices=True).write([record])[0], Written)
    assert made.rows[0]["Company"] == "Secret Ltd"


def test_what_airtable_refuses_of_one_record_names_the_field_and_no_value(
    made: AirtablePeople, sim: AirtableSimulator
) -> None:
    sim.change_type(made.table, "Company", "rating")
    outcome = made.stream().write([outgoing("a", company_name="77")])[0]
    assert outcome == WriteRefused("company_name: Airtable refuses it: INVALID_VALUE_FOR_COLUMN")


def test_rows_are_removed_though_one_is_gone_already(made: AirtablePeople) -> None:
    one, two, three = made.add("a", "b", "c")
    made.stream().remove([one, "recGone0000000000", two])
    assert [row["id"] for row in made.rows] == [three]
    made.stream().remove([one])
    assert [row["id"] for row in made.rows] == [three]


# --- a schema that moves --------------------------------------------------------------------------------------------


def test_a_renamed_field_changes_nothing(made: AirtablePeople, sim: AirtableSimulator) -> None:
    (row,) = made.add("a", Company="Contoso")
    _, last = read_all(made.stream())
    sim.rename_field(made.table, "Company", "Employer")
    sim.rename_field(made.table, "Email", "Address")
    sim.edit_row(made.table, row, First_name="Ada")
    (record,) = read_all(made.stream(), last.cursor)[0]
    assert record.fields["company_name"] == "Contoso"
    assert isinstance(made.stream().write([outgoing("a", row, company_name="Fabrikam")])[0], Written)
    assert made.rows == [{"id": row, "Address": "a@x.example", "First name": "Ada", "Employer": "Fabrikam"}]


def drift_of(act: Callable[[], object]) -> tuple[str, ...]:
    with pytest.raises(SchemaDrift) as error:
        act()
    return error.value.lost


def test_a_field_that_is_gone_stops_reading_and_writing_and_is_named(
    made: AirtablePeople, sim: AirtableSimulator
) -> None:
    (row,) = made.add("a", Company="Contoso")
    _, last = read_all(made.stream())
    stream = made.stream()
    read_all(stream, last.cursor)
    sim.remove_field(made.table, "Company")
    assert drift_of(lambda: made.stream().read(last.cursor)) == ("company_name",)
    assert drift_of(lambda: made.stream().read(None)) == ("company_name",)
    assert drift_of(lambda: made.stream().write([outgoing("a", row)])) == ("company_name",)
    assert drift_of(lambda: stream.write([outgoing("a", row, company_name="X")])) == ("company_name",)
    assert made.rows == [{"id": row, "Email": "a@x.example"}]


@pytest.mark.parametrize("kind", ["formula", "multipleAttachments", "button", "somethingNew"])
def test_a_field_that_can_no_longer_be_written_stops_the_stream(
    made: AirtablePeople, sim: AirtableSimulator, kind: str
) -> None:
    made.add("a")
    _, last = read_all(made.stream())
    sim.change_type(made.table, "Company", kind)
    sim.advance(900)
    made.add("b")
    assert drift_of(lambda: made.stream().read(last.cursor)) == ("company_name",)


def test_a_field_that_holds_another_kind_of_value_stops_the_stream_until_the_settings_name_it(
    made: AirtablePeople, sim: AirtableSimulator
) -> None:
    (row,) = made.add("a", Company="012")
    _, last = read_all(made.stream())
    made.table.records[row].cells[made.field_id("Company")] = 12
    sim.change_type(made.table, "Company", "number")
    assert drift_of(lambda: made.stream().read(last.cursor)) == ("company_name",)
    settings = made.settings()
    settings["fields"]["company_name"]["type"] = "number"
    (record,) = made.stream(**settings).read(last.cursor).records
    assert record.fields["company_name"] == "12"
    sim.change_type(made.table, "Company", "currency")
    assert made.stream(**settings).read(last.cursor).records, "the same kind of value"


def test_a_table_that_is_gone_is_no_permission_or_drift(made: AirtablePeople) -> None:
    _, last = read_all(made.stream())
    made.base.tables.clear()
    with pytest.raises(PermissionMissing):
        made.stream().read(last.cursor)
    assert drift_of(lambda: made.stream().read(None)) == ("email", "first_name", "last_name", "company_name")


def test_a_computed_field_can_be_read_where_it_is_theirs(made: AirtablePeople, sim: AirtableSimulator) -> None:
    (row,) = made.add("a", Company="Contoso")
    sim.change_type(made.table, "Company", "formula")
    settings = made.settings()
    settings["fields"]["company_name"]["owner"] = "theirs"
    stream = made.stream(**settings)
    assert [record.fields["company_name"] for record in read_all(stream)[0]] == ["Contoso"]
    assert isinstance(stream.write([outgoing("a", row, company_name="ignored", first_name="Ada")])[0], Written)
    assert made.rows == [{"id": row, "Email": "a@x.example", "First name": "Ada", "Company": "Contoso"}]


# --- faults ---------------------------------------------------------------------------------------------------------

RAISED: dict[str, type[Exception] | None] = {
    "200_page": ServerFailed,
    "401": ReconnectNeeded,
    "403": PermissionMissing,
    "404": PermissionMissing,
    "422_formula": RejectedInput,
    "422_iterator": TransientError,
    "429": RateLimited,
    "429_billing": BillingLimit,
    "500_before": ServerFailed,
    "500_after": ServerFailed,
    "502_page": ServerFailed,
    "503": ServerFailed,
    "cut_before": NoAnswer,
    "cut_after": NoAnswer,
    "truncated": ServerFailed,
    "hang": NoAnswer,
    "held": NoAnswer,
    "partial_write": ServerFailed,
    "duplicate_page": None,
    "shifted_page": None,
}


@pytest.mark.parametrize("kind", sorted(AirtableFault.kinds))
def test_every_fault_at_a_write_is_one_of_our_errors_and_a_repetition_makes_both_equal(
    sim: AirtableSimulator, kind: str
) -> None:
    made = AirtablePeople(sim, timeout=0.3)
    stream, batch = made.stream(), [outgoing("a", first_name="Ada"), outgoing("b", first_name="Bo")]
    read_all(stream)
    sim.fault(kind, match="PATCH", seconds=0.6)
    raised, wanted = attempt(stream, batch), RAISED[kind]
    assert raised is wanted or (raised is not None and wanted is not None and issubclass(raised, wanted))
    sim.release()
    sim.advance(31)
    made.access.tokens = [sim.token()]
    made.http.timeout = (5, 5)
    made.stream().write(batch)
    assert sorted(row["First name"] for row in made.rows) == ["Ada", "Bo"]
    assert made.access.slowed_down == ([30.0] if kind.startswith("429") else [])


def attempt(stream: RecordStream, batch: list[OutgoingRecord]) -> type[Exception] | None:
    try:
        stream.write(batch)
    except (TransientError, RejectedInput, ReconnectNeeded, PermissionMissing) as error:
        return None if "x.example" in str(error) else type(error)
    return None


def test_a_401_is_repeated_once_with_a_newer_token(made: AirtablePeople, sim: AirtableSimulator) -> None:
    made.access.tokens = ["oaaOld", sim.token()]
    made.add("a")
    assert len(read_all(made.stream())[0]) == 1
    assert made.access.permits == len(made.sent) == 3


def test_a_page_that_is_cut_in_half_reads_nothing(made: AirtablePeople, sim: AirtableSimulator) -> None:
    made.add("a", "b")
    for kind in ("truncated", "502_page", "500_after"):
        sim.fault(kind, match="GET /v0/app")
        with pytest.raises(ServerFailed):
            made.stream().read(None)
    assert len(read_all(made.stream())[0]) == 2
