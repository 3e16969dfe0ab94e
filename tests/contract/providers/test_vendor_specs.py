"""What the contract tests are held to: a wrong name, type or address is found; without the documents nothing is."""

from __future__ import annotations

import json

import pytest

from local.simulators.http_server import Incoming, Outgoing
from tests.support.vendor_specs import specification

PATH = f"/2010-04-01/Accounts/AC{'0' * 32}/Messages"


def problems(
    method: str, path: str, answer: object, *, body: str = "", query: str = "", status: int = 200
) -> list[str]:
    spec = specification("twilio_messages.openapi.json")
    if spec is None:
        pytest.skip("the vendors' specifications are not beside the tree (VENDOR_SPECS)")
    incoming = Incoming(method, path, query, {}, body.encode(), "http://127.0.0.1")
    return list(spec.problems(incoming, Outgoing(status, {}, json.dumps(answer).encode())))


def test_what_the_vendor_says_is_no_problem() -> None:
    assert problems("GET", f"{PATH}.json", {"messages": [{"sid": f"SM{'0' * 32}", "price": None}]}) == []
    assert problems("POST", f"{PATH}.json", {"body": "Hello"}, body="To=%2B1&Body=x", status=201) == []
    assert problems("POST", f"{PATH}.json", {"nonsense": 1}, status=400) == []


def test_a_wrong_name_type_status_query_or_address_is_found() -> None:
    where = "Accounts/{id}/Messages.json"
    assert problems("GET", f"{PATH}.json", {"messages": [{"text": "Hello"}]}) == [
        f"GET /2010-04-01/{where}: answer messages additionalProperties text"
    ]
    assert problems("GET", f"{PATH}.json", {"messages": [{"body": 7}]}) == [
        f"GET /2010-04-01/{where}: answer messages.body type"
    ]
    assert problems("GET", f"{PATH}.json", {}, query="Recipient=x") == [f"GET /2010-04-01/{where}: query Recipient"]
    assert problems("POST", f"{PATH}.json", {}, body="To=x&Text=y", status=201) == [
        f"POST /2010-04-01/{where}: request additionalProperties Text"
    ]
    assert problems("POST", f"{PATH}.json", {}, body="To=x", status=202) == [
        f"POST /2010-04-01/{where}: answer status 202"
    ]
    assert problems("GET", "/2010-04-01/Texts.json", {}) == ["GET /2010-04-01/Texts.json: no such operation"]
