"""Requests of our client, held against the vendor's file and against what pyairtable sends for the same purpose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyairtable import Api

from crm_relay.providers.connectors.contract import OutgoingRecord
from local.simulators.airtable import AirtableSimulator
from tests.support.connections.airtable_stage import AirtablePeople, read_all
from tests.support.connections.vendor_specification import (
    RecordedRequest,
    RecordingSession,
    VendorSpecification,
    specification_file,
)

FILE = specification_file("airtable.thirdparty.openapi.yml")

# What the file lacks -> where it is documented. pyairtable sends each of them; see below.
DIFFERENCES = {
    "PATCH /{app}/{tbl}: not in the file": "https://airtable.com/developers/web/api/update-multiple-records",
    "DELETE /{app}/{tbl}: not in the file": "https://airtable.com/developers/web/api/delete-multiple-records",
    "POST /{app}/{tbl}/listRecords: not in the file": "https://airtable.com/developers/web/api/list-records",
    "GET /meta/whoami: not in the file": "https://airtable.com/developers/web/api/get-user-id-scopes",
    "GET /meta/bases: not in the file": "https://airtable.com/developers/web/api/list-bases",
    "GET /meta/bases/{app}/tables: not in the file": "https://airtable.com/developers/web/api/get-base-schema",
}


@pytest.fixture
def sim() -> Iterator[AirtableSimulator]:
    with AirtableSimulator(requests_per_second=None) as running:
        yield running


def outgoing(letter: str, their_id: str | None = None, **fields: Any) -> OutgoingRecord:
    return OutgoingRecord(their_id, f"{letter}@x.example", {"email": f"{letter}@x.example", **fields})


def everything(made: AirtablePeople) -> None:
    """Every request that a connector makes, two pages and two bases among them."""
    made.sim.base("Another")
    made.sim.switch(bases_per_page=1)
    ids = made.add(*(f"p{number}" for number in range(101)))
    account = made.account()
    account.info()
    for kind, within in (("base", None), ("table", made.base.id), ("field", made.table.id)):
        assert account.choices(kind, within)
    stream = account.streams()[0]
    _, last = read_all(stream)
    stream.read(last.cursor)
    stream.write([outgoing("p0", ids[0], first_name="Ada"), outgoing("new", first_name="Bo")])
    stream.write([outgoing("p1", ids[1], first_name="Cy")])
    stream.look_up(ids[:3])
    stream.remove([ids[2]])


@pytest.mark.skipif(FILE is None, reason="the vendor's file is not there")
def test_every_request_is_one_of_the_vendors_file_or_a_named_difference(sim: AirtableSimulator) -> None:
    assert FILE is not None
    file = VendorSpecification.read(FILE, "/v0")
    by_text, by_email = AirtablePeople(sim), AirtablePeople(sim, "email")
    for made in (by_text, by_email):
        everything(made)
    recorded = [*by_text.session.recorded, *by_email.session.recorded]
    problems = {problem for each in recorded for problem in file.problems(each.method, each.url, each.body)}
    assert problems == set(DIFFERENCES)


@pytest.mark.skipif(FILE is None, reason="the vendor's file is not there")
@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        ("GET", "app1/tbl1?pageSize=101", None, "query pageSize: 101 is greater than the maximum of 100"),
        ("GET", "app1/tbl1?page_size=10", None, "query page_size: not in the file"),
        ("GET", "bas1/tbl1", None, "GET /bas1/tbl1: not in the file"),
        ("POST", "app1/tbl1", b'{"record": []}', "body record: not in the file"),
        ("POST", "app1/tbl1", b'{"records": [{}]}', "body records.0: 'fields' is a required property"),
    ],
)
def test_a_request_that_the_file_forbids_is_noticed(method: str, path: str, body: bytes | None, problem: str) -> None:
    assert FILE is not None
    file = VendorSpecification.read(FILE, "/v0")
    assert problem in file.problems(method, f"https://api.airtable.com/v0/{path}", body)


# --- pyairtable as the second source --------------------------------------------------------------------------------


def shape(request: RecordedRequest) -> tuple[str, str, set[str], Any]:
    """Method, path, names of the query and the form of the body, without values."""
    return request.method, request.path, {name for name, _ in request.query}, form_of(request.json)


def form_of(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: form_of(each) for key, each in value.items() if key != "fields"}
    return [form_of(value[0])] if isinstance(value, list) and value else type(value).__name__


class TwoClients:
    """Our client and pyairtable on one base; `compare` holds the last request of each against the other's."""

    def __init__(self, sim: AirtableSimulator) -> None:
        self.ours = AirtablePeople(sim)
        self.api = Api(self.ours.access.tokens[0], endpoint_url=sim.url, retry_strategy=None, use_field_ids=True)
        self.session = RecordingSession()
        self.session.headers.update(self.api.session.headers)
        self.api.session = self.session
        self.table = self.api.table(self.ours.base.id, self.ours.table.id)

    def last(self) -> tuple[RecordedRequest, RecordedRequest]:
        return self.ours.session.recorded[-1], self.session.recorded[-1]


@pytest.fixture
def both(sim: AirtableSimulator) -> TwoClients:
    return TwoClients(sim)


def test_a_page_is_asked_for_as_pyairtable_does(both: TwoClients) -> None:
    both.ours.add("a")
    ids = [rule.theirs for rule in both.ours.stream().rules]
    page = both.ours.stream().read(None)
    both.ours.stream().read(page.cursor)
    ours = both.ours.session.recorded[-2]
    assert both.ours.session.recorded[-1].path.endswith("/tables"), "the schema, since a row was there"
    both.table.all(fields=ids, page_size=100, formula=dict(ours.query)["filterByFormula"])
    theirs = both.session.recorded[-1]
    assert shape(ours) == shape(theirs)
    # `true` or `1`: the documentation says boolean.
    assert [pair for pair in ours.query if pair[1] != "true"] == [pair for pair in theirs.query if pair[1] != "1"]


def test_an_upsert_is_sent_as_pyairtable_does(both: TwoClients) -> None:
    both.ours.stream().write([outgoing("a"), outgoing("b")])
    key = both.ours.field_id("Email")
    both.table.batch_upsert([{"fields": {key: "c@x.example"}}], [key])
    ours, theirs = both.last()
    assert shape(ours) == shape(theirs)
    assert ours.json["performUpsert"] == theirs.json["performUpsert"]


def test_changes_new_rows_and_deletions_are_sent_as_pyairtable_does(sim: AirtableSimulator) -> None:
    both = TwoClients(sim)
    ids = both.ours.add("a", "b", "c", "d")
    key = both.ours.field_id("Email")
    stream = both.ours.stream()
    stream.write([outgoing("a", ids[0])])
    both.table.batch_update([{"id": ids[0], "fields": {key: "a@x.example"}}])
    ours, theirs = both.last()
    assert shape(ours) == shape(theirs)
    stream.remove(ids[:2])
    both.table.batch_delete(ids[2:])
    ours, theirs = both.last()
    assert shape(ours) == shape(theirs)
    sim.change_type(both.ours.table, "Email", "email")
    both.ours.stream().write([outgoing("e")])
    both.table.batch_create([{key: "f@x.example"}])
    ours, theirs = both.last()
    assert shape(ours) == shape(theirs)


def test_rows_are_looked_up_as_pyairtable_asks_a_long_question(both: TwoClients) -> None:
    ids = both.ours.add("a")
    both.ours.stream().look_up([ids[0], *("recNone0000000000" for _ in range(99))])
    formula = both.ours.session.recorded[-1].json["filterByFormula"]
    both.table.all(fields=["Email"], page_size=100, formula=f"OR({','.join([formula] * 8)})")
    ours, theirs = both.last()
    assert (ours.method, ours.path, set(ours.json)) == (theirs.method, theirs.path, set(theirs.json))


def test_the_schema_is_asked_for_as_pyairtable_does(both: TwoClients) -> None:
    account = both.ours.account()
    for ask, theirs_too in (
        (account.info, both.api.whoami),
        (lambda: account.choices("base"), both.api.bases),
        (lambda: account.choices("table", both.ours.base.id), both.api.base(both.ours.base.id).schema),
    ):
        ask()
        theirs_too()
        ours, theirs = both.last()
        assert (ours.method, ours.path, ours.json) == (theirs.method, theirs.path, theirs.json)
