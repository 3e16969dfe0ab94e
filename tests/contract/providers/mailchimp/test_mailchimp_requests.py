"""Requests of our client, held against the vendor's file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from crm_relay.providers.connectors.contract import OutgoingRecord
from local.simulators.mailchimp import MailchimpSimulator
from tests.support.connections.airtable_stage import read_all
from tests.support.connections.mailchimp_stage import MailchimpPeople
from tests.support.connections.vendor_specification import RecordedRequest, VendorSpecification, specification_file

NAMES = ("list-id", "batches", "lists")
FILES = [specification_file(f"mailchimp_{name}.openapi.yml") for name in NAMES]
NEEDS_FILES = pytest.mark.skipif(None in FILES, reason="the vendor's files are not there")

# What the files lack -> why it is sent all the same.
DIFFERENCES = {
    "GET /: not in the file": "the root of the API is in none of the vendor's files that are kept beside the tree",
    "GET /batch-results: not in the file": "a file of results is behind a signed address of its own",
}
_TAGS = {"column": "status", "names": {"lead": "Lead"}}


@pytest.fixture
def sim() -> Iterator[MailchimpSimulator]:
    with MailchimpSimulator() as running:
        yield running


@pytest.fixture(scope="module")
def vendor() -> VendorSpecification:
    paths: dict[str, Any] = {}
    for file in FILES:
        if file is not None:
            paths |= _as_openapi(yaml.load(Path(file).read_text(encoding="utf-8"), yaml.CSafeLoader)["paths"])
    return VendorSpecification({"paths": paths}, "/3.0")


def _as_openapi(paths: Mapping[str, Any]) -> dict[str, Any]:
    """The files are of Swagger 2: a body is a parameter there, and a parameter is its own schema."""
    return {
        path: {
            method: _operation(operation)
            for method, operation in operations.items()
            if isinstance(operation, dict) and "responses" in operation
        }
        for path, operations in paths.items()
    }


def _operation(operation: Mapping[str, Any]) -> dict[str, Any]:
    parameters, found = operation.get("parameters", []), dict[str, Any]()
    found["parameters"] = [
        {"name": each["name"], "in": each["in"], "schema": _schema(each)} for each in parameters if each["in"] != "body"
    ]
    for each in parameters:
        if each["in"] == "body":
            found["requestBody"] = {"content": {"application/json": {"schema": each["schema"]}}}
    return found


def _schema(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """A list is sent with commas between its items."""
    kind = "string" if parameter.get("type") == "array" else parameter.get("type")
    allowed = {"enum": parameter["enum"]} if parameter.get("enum") else {}
    return {"type": kind, **allowed}


def problems_of(vendor: VendorSpecification, request: RecordedRequest) -> list[str]:
    """Of the request, and of each operation of a batch."""
    if request.path.startswith("/batch-results/"):
        return ["GET /batch-results: not in the file"]
    found = vendor.problems(request.method, request.url, request.body)
    if request.method == "POST" and request.path == "/3.0/batches":
        for each in request.json["operations"]:
            query = "&".join(f"{name}={value}" for name, value in (each.get("params") or {}).items())
            url = f"https://us1.api.mailchimp.com/3.0{each['path']}?{query}"
            found += vendor.problems(each["method"], url, each["body"].encode() if "body" in each else None)
    return found


def outgoing(letter: str, their_id: str | None = None, **fields: Any) -> OutgoingRecord:
    return OutgoingRecord(their_id, f"{letter}@x.example", {"email": f"{letter}@x.example", **fields})


def everything(made: MailchimpPeople) -> None:
    """Every request that a connector makes."""
    members = made.add("a", "b", "c")
    account = made.account()
    account.info()
    assert account.choices("audience")
    assert account.choices("field", made.audience.id)
    stream = made.stream(tags=_TAGS)
    _, last = read_all(stream)
    stream.read(last.cursor)
    stream.write(
        [outgoing("a", members[0].contact_id, first_name="Ada", status="lead"), outgoing("b"), outgoing("new")]
    )
    stream.look_up([members[0].contact_id])
    stream.unsubscribe([members[0].contact_id])
    stream.remove([members[0].contact_id])
    stream.erase([members[1].contact_id])


@NEEDS_FILES
def test_every_request_is_one_of_the_vendors_file_or_a_named_difference(
    sim: MailchimpSimulator, vendor: VendorSpecification
) -> None:
    made = MailchimpPeople(sim)
    everything(made)
    problems = {problem for each in made.session.recorded for problem in problems_of(vendor, each)}
    assert problems == set(DIFFERENCES)


@NEEDS_FILES
@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (
            {"method": "PUT", "path": "/lists/l/members/m", "body": "{}"},
            "body : 'email_address' is a required property",
        ),
        ({"method": "PATCH", "path": "/lists/l/members/m", "body": '{"state": "x"}'}, "body state: not in the file"),
        ({"method": "PATCH", "path": "/lists/l/people/m", "body": "{}"}, "PATCH /lists/l/people/m: not in the file"),
    ],
)
def test_an_operation_that_the_files_forbid_is_noticed(
    vendor: VendorSpecification, operation: dict[str, str], problem: str
) -> None:
    body = json.dumps({"operations": [operation]}).encode()
    request = RecordedRequest("POST", "https://us1.api.mailchimp.com/3.0/batches", body)
    assert problem in problems_of(vendor, request)


def test_no_change_has_a_status_and_no_addition_updates(sim: MailchimpSimulator) -> None:
    made = MailchimpPeople(sim)
    (member,) = made.add("a")
    made.stream().write([outgoing("a", member.contact_id, first_name="Ada"), outgoing("new")])
    bodies = [each.json for each in made.session.recorded if each.method == "POST"]
    (added,) = [each for each in bodies if "members" in each]
    assert (added["update_existing"], added["members"][0]["status"]) == (False, "subscribed")
    ((change,),) = [each["operations"] for each in bodies if "operations" in each]
    assert json.loads(change["body"]).keys() == {"email_address", "status_if_new", "merge_fields"}
    assert json.loads(change["body"])["status_if_new"] == "transactional"
