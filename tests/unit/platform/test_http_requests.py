"""A body is measured before it is decoded, and decoded only by whoever reads it."""

import base64
from typing import Any

import pytest

from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.answer_headers import SECURITY_HEADERS
from crm_relay.platform.http.http_edge import Accepts, HttpRequest, read_request, respond

LIMIT = 1000


def event(raw: str, *, is_base64: bool = False, method: str = "POST", **headers: str) -> dict[str, Any]:
    return {
        "requestContext": {"http": {"method": method}},
        "headers": {"content-type": "application/json", **headers},
        "body": raw,
        "isBase64Encoded": is_base64,
    }


@pytest.mark.parametrize("size", [LIMIT - 2, LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 2, LIMIT + 3])
def test_the_size_of_a_body_is_known_from_its_base64(size: int) -> None:
    request = read_request(event(base64.b64encode(b"x" * size).decode(), is_base64=True), LIMIT)
    assert request.is_surely_too_large == (size > LIMIT)


@pytest.mark.parametrize(("text", "status"), [("é" * 500, 200), ("é" * 501, 413), ("x" * 1001, 413), ("\ud800", 400)])
def test_the_limit_of_a_text_is_in_bytes(text: str, status: int) -> None:
    answer = respond(event(text), Accepts(max_body_bytes=LIMIT), lambda request: (200, {"size": len(request.body)}))
    assert answer["statusCode"] == status


def test_whoever_does_not_read_the_body_does_not_decode_it() -> None:
    answer = respond(event("no base64", is_base64=True), Accepts(), lambda _request: (200, {}))
    assert answer["statusCode"] == 200
    with pytest.raises(RejectedInput, match="cannot be decoded"):
        _ = read_request(event("no base64", is_base64=True)).body


def test_a_request_does_not_show_its_body() -> None:
    assert "secret words" not in repr(read_request(event("secret words")))


def fails(_request: HttpRequest) -> tuple[int, dict[str, Any]]:
    raise ZeroDivisionError


@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
def test_every_answer_has_the_headers_that_protect_a_browser(method: str) -> None:
    for answer in (respond(event("{}", method=method), Accepts(), fails), respond({}, Accepts(), fails)):
        assert SECURITY_HEADERS.items() <= answer["headers"].items()
        assert answer["headers"]["strict-transport-security"].startswith("max-age=")


def test_origins_are_asked_for_only_where_a_page_calls() -> None:
    def origins() -> tuple[str, ...]:
        raise AssertionError

    assert respond(event("{}"), Accepts(origins=origins), lambda _request: (200, {}))["statusCode"] == 200
