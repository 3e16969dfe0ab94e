"""The simulated Airtable, driven by pyairtable: pages, formulas, upserts, types, schema, limits and faults."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests
from pyairtable import Api
from pyairtable import formulas as formula
from pyairtable.api.table import Table
from pyairtable.models.schema import FieldType

from local.simulators.airtable import AirtableFault, AirtableSimulator, SimulatedBase, SimulatedTable
from local.simulators.airtable.cells import COMPUTED, MERGEABLE
from local.simulators.clock import MovableClock

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


class AirtableStage:
    """A base with one table, seen by the simulator's people and by pyairtable."""

    def __init__(self, sim: AirtableSimulator) -> None:
        self.sim = sim
        self.base: SimulatedBase = sim.base()
        self.people: SimulatedTable = sim.table(self.base)

    def api(self, token: str | None = None) -> Api:
        return Api(token or self.sim.token(), endpoint_url=self.sim.url, retry_strategy=None, timeout=(5, 5))

    def table(self, token: str | None = None) -> Table:
        return self.api(token).table(self.base.id, self.people.id)


@pytest.fixture
def made() -> Iterator[AirtableStage]:
    with AirtableSimulator(clock=MovableClock(lambda: START), requests_per_second=None) as sim:
        yield AirtableStage(sim)


def refusal(error: pytest.ExceptionInfo[requests.HTTPError]) -> tuple[int, Any]:
    response = error.value.response
    assert response is not None
    content = response.json()
    if "errors" in content:
        return response.status_code, content["errors"][0]["error"]
    inner = content["error"]
    return response.status_code, inner if isinstance(inner, str) else inner["type"]


# --- reading --------------------------------------------------------------------------------------------------------


def test_all_rows_come_in_pages_of_a_hundred_and_empty_cells_are_left_out(made: AirtableStage) -> None:
    for number in range(250):
        made.sim.add_row(made.people, Email=f"p{number}@northwind.example", First_name="" if number % 2 else "Ada")
    rows = made.table().all()
    assert [row["fields"]["Email"] for row in rows] == [f"p{number}@northwind.example" for number in range(250)]
    assert all(("First name" in row["fields"]) is (number % 2 == 0) for number, row in enumerate(rows))
    assert made.sim.requests[f"GET /v0/{made.base.id}/{made.people.id}"] == 3


def test_a_long_question_is_sent_as_list_records(made: AirtableStage) -> None:
    wanted = [made.sim.add_row(made.people, Email=f"p{number}@northwind.example").id for number in range(3)]
    made.sim.add_row(made.people, Email="other@northwind.example")
    text = formula.OR(*(formula.EQ(formula.RECORD_ID(), each) for each in [*wanted, *["recNone0000000000"] * 600]))
    assert [row["id"] for row in made.table().all(formula=text)] == wanted
    assert made.sim.requests[f"POST /v0/{made.base.id}/{made.people.id}/listRecords"] == 1


def test_fields_sort_view_and_ids_of_fields(made: AirtableStage) -> None:
    rows = [made.sim.add_row(made.people, Email=f"{letter}@x.example", Company="X") for letter in "bca"]
    made.sim.add_view(made.people, "Two", [rows[0].id, rows[2].id])
    table, email = made.table(), made.people.field("Email")
    assert email is not None
    found = table.all(fields=["Email"], sort=["-Email"], view="Two", use_field_ids=True)
    assert [row["fields"] for row in found] == [{email.id: "b@x.example"}, {email.id: "a@x.example"}]
    assert table.get(rows[1].id)["fields"] == {"Email": "c@x.example", "Company": "X"}
    assert [row["fields"]["Email"] for row in table.all(max_records=1)] == ["b@x.example"]


def test_changes_are_found_by_the_time_of_the_last_one(made: AirtableStage) -> None:
    rows = [made.sim.add_row(made.people, Email=f"{letter}@x.example") for letter in "ab"]
    made.sim.advance(60)
    made.sim.edit_row(made.people, rows[1].id, Company="X")
    since = START + timedelta(seconds=30)
    asked = formula.IS_AFTER(formula.LAST_MODIFIED_TIME(), since)
    assert [row["id"] for row in made.table().all(formula=asked)] == [rows[1].id]
    assert [row["id"] for row in made.table().all(formula=formula.match({"Email": "a@x.example"}))] == [rows[0].id]


def test_a_formula_that_cannot_be_read_is_refused(made: AirtableStage) -> None:
    for text in ("{Email", "NO_SUCH(1)", "{No such field}='x'", "1 2"):
        with pytest.raises(requests.HTTPError) as error:
            made.table().all(formula=text)
        assert refusal(error) == (422, "INVALID_FILTER_BY_FORMULA"), text


def test_an_offset_ends_where_nobody_used_it_for_a_while(made: AirtableStage) -> None:
    for number in range(150):
        made.sim.add_row(made.people, Email=f"p{number}@x.example")
    pages = made.table().iterate()
    assert len(next(pages)) == 100
    made.sim.advance(301)
    with pytest.raises(requests.HTTPError) as error:
        next(pages)
    assert refusal(error) == (422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")


def test_a_listing_shows_the_rows_of_its_first_page(made: AirtableStage) -> None:
    rows = [made.sim.add_row(made.people, Email=f"p{number}@x.example") for number in range(150)]
    pages = made.table().iterate()
    next(pages)
    made.sim.add_row(made.people, Email="late@x.example")
    made.sim.delete_row(made.people, rows[120].id)
    assert len(next(pages)) == 49


# --- writing --------------------------------------------------------------------------------------------------------


def test_an_upsert_creates_updates_and_says_which(made: AirtableStage) -> None:
    known = made.sim.add_row(made.people, Email="a@x.example", First_name="Ada", Company="X")
    done = made.table().batch_upsert(
        [{"fields": {"Email": "a@x.example", "Company": "Y"}}, {"fields": {"Email": "b@x.example"}}], ["Email"]
    )
    assert done["updatedRecords"] == [known.id]
    assert [row["id"] for row in done["records"]] == [known.id, *done["createdRecords"]]
    assert [row["Email"] for row in made.sim.rows(made.people)] == ["a@x.example", "b@x.example"]
    assert made.sim.rows(made.people)[0] | {"id": ""} == {
        "id": "",
        "Email": "a@x.example",
        "First name": "Ada",
        "Company": "Y",
    }
    made.table().batch_upsert([{"fields": {"Email": "a@x.example", "Company": "Z"}}], ["Email"], replace=True)
    assert made.sim.rows(made.people)[0] == {"id": known.id, "Email": "a@x.example", "Company": "Z"}


def test_an_upsert_with_two_matches_fails_as_a_whole(made: AirtableStage) -> None:
    for _ in range(2):
        made.sim.add_row(made.people, Email="twice@x.example")
    with pytest.raises(requests.HTTPError) as error:
        made.table().batch_upsert(
            [{"fields": {"Email": "new@x.example"}}, {"fields": {"Email": "twice@x.example"}}], ["Email"]
        )
    assert refusal(error) == (422, "INVALID_REQUEST_UNKNOWN")
    assert len(made.sim.rows(made.people)) == 2


@pytest.mark.parametrize("kind", sorted(FieldType, key=str))
def test_an_upsert_merges_on_the_documented_types_only(made: AirtableStage, kind: FieldType) -> None:
    made.sim.add_field(made.people, "Key", kind.value).options["choices"] = [{"id": "sel1", "name": "2026-11-20"}]
    value: Any = {"number": 7, "multipleSelects": ["2026-11-20"]}.get(kind.value, "2026-11-20")
    body = [{"fields": {"Key": value, "Email": "a@x.example"}}]
    if kind.value in MERGEABLE:
        assert made.table().batch_upsert(body, ["Key"])["createdRecords"]
        return
    with pytest.raises(requests.HTTPError):
        made.table().batch_upsert(body, ["Key"])


def test_ten_records_are_the_most_in_one_request(made: AirtableStage) -> None:
    url = f"{made.sim.url}/v0/{made.base.id}/{made.people.id}"
    head = {"Authorization": f"Bearer {made.sim.token()}"}
    cells: list[Any] = [{"Email": f"p{number}@x.example"} for number in range(11)]
    body = {"records": [{"fields": each} for each in cells]}
    assert requests.post(url, json=body, headers=head, timeout=5).status_code == 422
    assert made.sim.rows(made.people) == []
    assert len(made.table().batch_create(cells)) == 11
    assert made.sim.requests[f"POST /v0/{made.base.id}/{made.people.id}"] == 3


def test_rows_are_changed_and_deleted_by_id(made: AirtableStage) -> None:
    table = made.table()
    one, two = table.create({"Email": "a@x.example", "Company": "X"}), table.create({"Email": "b@x.example"})
    table.update(one["id"], {"Company": None, "First name": "Ada"})
    assert made.sim.rows(made.people)[0] == {"id": one["id"], "Email": "a@x.example", "First name": "Ada"}
    with pytest.raises(requests.HTTPError) as error:
        table.batch_update([{"id": two["id"], "fields": {}}, {"id": "recGone0000000000", "fields": {}}])
    assert refusal(error) == (422, "ROW_DOES_NOT_EXIST")
    assert table.batch_delete([one["id"], two["id"]]) == [{"id": each["id"], "deleted": True} for each in (one, two)]
    assert made.sim.rows(made.people) == []


CELLS: list[tuple[str, Any, Any]] = [
    ("singleLineText", "Ada", "Ada"),
    ("email", "ada@x.example", "ada@x.example"),
    ("number", 4.5, 4.5),
    ("rating", 3, 3),
    ("checkbox", True, True),
    ("date", "2026-11-20", "2026-11-20"),
    ("dateTime", "2026-11-20T13:00:00+01:00", "2026-11-20T12:00:00.000Z"),
    ("multipleRecordLinks", ["recAbc00000000000"], ["recAbc00000000000"]),
]


@pytest.mark.parametrize(("kind", "value", "shown"), CELLS)
def test_a_cell_takes_values_of_its_type_only(made: AirtableStage, kind: str, value: Any, shown: Any) -> None:
    made.sim.add_field(made.people, "Cell", kind)
    assert made.table().create({"Cell": value})["fields"] == {"Cell": shown}
    unfit: Any = {"no": "such value"}
    with pytest.raises(requests.HTTPError) as error:
        made.table().create({"Cell": unfit})
    assert refusal(error) == (422, "INVALID_VALUE_FOR_COLUMN")


@pytest.mark.parametrize("kind", sorted(COMPUTED))
def test_a_computed_cell_takes_nothing(made: AirtableStage, kind: str) -> None:
    made.sim.add_field(made.people, "Cell", kind)
    with pytest.raises(requests.HTTPError) as error:
        made.table().create({"Cell": "x"})
    assert refusal(error) == (422, "INVALID_VALUE_FOR_COLUMN")


def test_a_new_choice_needs_typecast(made: AirtableStage) -> None:
    made.sim.add_field(made.people, "Stage", "singleSelect")
    with pytest.raises(requests.HTTPError) as error:
        made.table().create({"Stage": "Lead"})
    assert refusal(error) == (422, "INVALID_MULTIPLE_CHOICE_OPTIONS")
    assert made.table().create({"Stage": "Lead"}, typecast=True)["fields"] == {"Stage": "Lead"}
    assert made.table().create({"Stage": "Lead"})["fields"] == {"Stage": "Lead"}


# --- schema and permissions -----------------------------------------------------------------------------------------


def test_the_schema_says_every_field_and_a_renamed_one_keeps_its_id(made: AirtableStage) -> None:
    for kind in FieldType:
        made.sim.add_field(made.people, f"A {kind.value}", kind.value).options.update(_OPTIONS.get(kind.value, {}))
    seen = made.api().base(made.base.id).schema(force=True).table(made.people.id)
    assert {each.type for each in seen.fields} == {kind.value for kind in FieldType}
    before = seen.field("Company").id
    made.sim.rename_field(made.people, "Company", "Employer")
    made.sim.remove_field(made.people, "Notes")
    after = made.api().base(made.base.id).schema(force=True).table(made.people.id)
    assert after.field("Employer").id == before
    with pytest.raises(KeyError):
        after.field("Notes")
    with pytest.raises(requests.HTTPError) as error:
        made.table().all(fields=["Notes"])
    assert refusal(error) == (422, "UNKNOWN_FIELD_NAME")


_OPTIONS: dict[str, dict[str, Any]] = {
    "aiText": {"prompt": []},
    "checkbox": {"color": "green", "icon": "check"},
    "count": {"isValid": True},
    "currency": {"precision": 2, "symbol": "€"},
    "date": {"dateFormat": {"name": "iso", "format": "YYYY-MM-DD"}},
    "dateTime": {
        "timeZone": "utc",
        "dateFormat": {"name": "iso", "format": "YYYY-MM-DD"},
        "timeFormat": {"name": "24hour", "format": "HH:mm"},
    },
    "duration": {"durationFormat": "h:mm"},
    "externalSyncSource": {"choices": []},
    "formula": {"formula": "1", "isValid": True},
    "lastModifiedTime": {"isValid": True},
    "multipleAttachments": {"isReversed": False},
    "multipleLookupValues": {"isValid": True},
    "multipleRecordLinks": {"isReversed": False, "linkedTableId": "tbl1", "prefersSingleRecordLink": False},
    "multipleSelects": {"choices": []},
    "number": {"precision": 0},
    "percent": {"precision": 0},
    "rating": {"color": "yellow", "icon": "star", "max": 5},
    "rollup": {"isValid": True},
    "singleSelect": {"choices": []},
}


def test_bases_come_in_pages_and_by_permission(made: AirtableStage) -> None:
    others = [made.sim.base(f"Base {number}") for number in range(4)]
    made.sim.switch(bases_per_page=2)
    assert [each.id for each in made.api().bases()] == [made.base.id, *(each.id for each in others)]
    one = made.sim.token(bases=[others[0]])
    assert [each.id for each in made.api(one).bases()] == [others[0].id]
    assert made.api(one).whoami()["id"].startswith("usr")
    with pytest.raises(requests.HTTPError) as error:
        made.table(one).all()
    assert refusal(error) == (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")


def test_a_token_may_do_what_its_scopes_say(made: AirtableStage) -> None:
    reads = made.sim.token(scopes=["data.records:read"])
    assert made.table(reads).all() == []
    for act in (lambda: made.table(reads).create({"Email": "a@x.example"}), lambda: made.api(reads).bases()):
        with pytest.raises(requests.HTTPError) as error:
            act()
        assert refusal(error) == (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
    with pytest.raises(requests.HTTPError) as error:
        made.table("patUnknown").all()
    assert refusal(error) == (401, "AUTHENTICATION_REQUIRED")


# --- limits and faults ----------------------------------------------------------------------------------------------


def test_the_sixth_request_of_a_second_locks_the_base_for_half_a_minute(made: AirtableStage) -> None:
    made.sim.switch(requests_per_second=5)
    table = made.table()
    for _ in range(5):
        table.all()
    for seconds in (0, 1, 28):
        made.sim.advance(seconds)
        with pytest.raises(requests.HTTPError) as error:
            table.all()
        assert refusal(error) == (429, "RATE_LIMIT_REACHED")
    made.sim.advance(1)
    assert table.all() == []
    other = made.sim.base("Other")
    assert made.api().table(other.id, made.sim.table(other).id).all() == []


def test_the_calls_of_a_month_end_and_come_back(made: AirtableStage) -> None:
    made.sim.switch(monthly_calls=2)
    table = made.table()
    for _ in range(2):
        table.all()
    with pytest.raises(requests.HTTPError) as error:
        table.all()
    assert refusal(error) == (429, "PUBLIC_API_BILLING_LIMIT_EXCEEDED")
    assert made.api().bases(), "the schema can still be read"
    made.sim.advance(11 * 86_400)
    assert table.all() == []


FAULTS: dict[str, tuple[int | None, int]] = {
    "200_page": (200, 0),
    "401": (401, 0),
    "403": (403, 0),
    "404": (404, 0),
    "422_formula": (422, 0),
    "422_iterator": (422, 0),
    "429": (429, 0),
    "429_billing": (429, 0),
    "500_before": (500, 0),
    "500_after": (500, 2),
    "502_page": (502, 0),
    "503": (503, 0),
    "cut_before": (None, 0),
    "cut_after": (None, 2),
    "truncated": (200, 2),
    "hang": (None, 0),
    "held": (200, 2),
    "partial_write": (500, 1),
    "duplicate_page": (200, 2),
    "shifted_page": (200, 2),
}
"""Kind -> the status of the answer, and how many rows of two are written."""


def release_once(sim: AirtableSimulator) -> None:
    sim.wait_until_held()
    sim.release()


@pytest.mark.parametrize("kind", sorted(AirtableFault.kinds))
def test_every_fault_does_what_it_says_to_a_write(made: AirtableStage, kind: str) -> None:
    status, rows = FAULTS[kind]
    made.sim.fault(kind, match="POST", seconds=0.1)
    url = f"{made.sim.url}/v0/{made.base.id}/{made.people.id}"
    body = {"records": [{"fields": {"Email": f"{letter}@x.example"}} for letter in "ab"]}
    if kind == "held":
        threading.Thread(target=lambda: release_once(made.sim)).start()
    try:
        answered = requests.post(url, json=body, headers={"Authorization": f"Bearer {made.sim.token()}"}, timeout=5)
        seen: int | None = answered.status_code
    except requests.ConnectionError:
        seen = None
    assert (seen, len(made.sim.rows(made.people))) == (status, rows)


def test_pages_that_repeat_or_shift(made: AirtableStage) -> None:
    rows = [made.sim.add_row(made.people, Email=f"p{number}@x.example").id for number in range(6)]
    listing = f"GET /v0/{made.base.id}/{made.people.id}?"
    made.sim.fault("duplicate_page", match="offset=")
    seen = [row["id"] for row in made.table().all(page_size=2)]
    assert seen == [*rows[:2], *rows[:2], *rows[4:]]
    made.sim.fault("shifted_page", match="offset=", items=1)
    assert [row["id"] for row in made.table().all(page_size=2)] == [*rows[:2], *rows[3:]]
    assert made.sim.requests[listing.rstrip("?")] == 6


def test_the_clock_is_the_one_of_the_account(made: AirtableStage) -> None:
    made.sim.advance(3600)
    head = {"Authorization": f"Bearer {made.sim.token()}"}
    answered = requests.get(f"{made.sim.url}/v0/meta/whoami", headers=head, timeout=5)
    assert parsedate_to_datetime(answered.headers["Date"]) == START + timedelta(hours=1)
