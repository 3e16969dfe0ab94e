"""What the local edge makes of HTTP requests and of functions' answers."""

import base64
import io
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from local.aws.http_event import GATEWAY_LIMIT_BYTES, build_event, match_route, read_body, to_response
from local.template.template import TemplateRoute

NOW = datetime(2026, 11, 20, 12, 22, 50, 317000, tzinfo=UTC)
ROUTES = {
    TemplateRoute("ANY", "/webhooks/mautic"): "mautic_webhook",
    TemplateRoute("ANY", "/unsubscribe/{token}"): "unsubscribe",
    TemplateRoute("ANY", "/api/{rest+}"): "admin_api",
    TemplateRoute("POST", "/api/sync/mautic"): "mautic_sync",
}


def event_of(path: str, body: bytes = b"", method: str = "POST", **arguments: Any) -> dict[str, Any]:
    environ = EnvironBuilder(path=path, method=method, data=body, **arguments).get_environ()
    request = Request({**environ, "REMOTE_ADDR": "203.0.113.7"})
    match = match_route(ROUTES, method, request.path)
    assert match
    return build_event(request, match, request.get_data(), NOW)


class Zeros(io.RawIOBase):
    """So many bytes, made when they are read; a read may give fewer than were asked for."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), self.left, 50_000)
        buffer[:size] = bytes(size)
        self.left -= size
        return size


def request_of(size: int) -> tuple[Request, Zeros]:
    stream = Zeros(size)
    environ = EnvironBuilder(path="/", method="POST").get_environ()
    return Request({**environ, "wsgi.input": stream, "CONTENT_LENGTH": str(size)}), stream


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_a_body_up_to_the_services_limit_is_read_whole(over: int) -> None:
    request, stream = request_of(GATEWAY_LIMIT_BYTES + over)
    body = read_body(request)
    assert (None if body is None else len(body)) == (None if over > 0 else GATEWAY_LIMIT_BYTES + over)
    assert stream.left == 0


def test_of_a_larger_body_no_more_is_kept_than_the_limit() -> None:
    request, stream = request_of(20 * GATEWAY_LIMIT_BYTES)
    tracemalloc.start()
    assert read_body(request) is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (stream.left, peak < 1.5 * GATEWAY_LIMIT_BYTES) == (0, True)


def test_a_json_body_comes_as_the_text_that_was_sent() -> None:
    event = event_of("/webhooks/mautic", b'{"name": "J\xc3\xb6rg",  "n": 1}', content_type="application/json")
    assert event["body"] == '{"name": "Jörg",  "n": 1}'
    assert event["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"a=1&b=2"),
        ("application/octet-stream", b"\x00\x01"),
        ("application/json", b"\xff\xfe not text"),
        ("", b"no type"),
    ],
)
def test_forms_binaries_and_broken_text_come_as_base64(content_type: str, body: bytes) -> None:
    event = event_of("/webhooks/mautic", body, headers={"Content-Type": content_type} if content_type else {})
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == body


def test_header_names_are_lower_case_and_repeated_values_joined() -> None:
    headers = [("Webhook-Signature", "abc"), ("X-Twice", "1"), ("X-Twice", "2")]
    event = event_of("/webhooks/mautic", headers=headers)
    assert event["headers"]["webhook-signature"] == "abc"
    assert event["headers"]["x-twice"].replace(" ", "") == "1,2"


def test_cookies_stand_apart_from_the_headers() -> None:
    event = event_of("/webhooks/mautic", headers={"Cookie": "a=1; b=2"})
    assert event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in event["headers"]


def test_absent_parts_are_left_out() -> None:
    event = event_of("/webhooks/mautic", method="OPTIONS")
    assert not {"body", "cookies", "queryStringParameters", "pathParameters"} & event.keys()


def test_the_query_is_kept_raw_and_decoded_with_repeats_joined() -> None:
    event = event_of("/webhooks/mautic", query_string="a=1&a=2&b=x%20y&c=")
    assert event["rawQueryString"] == "a=1&a=2&b=x%20y&c="
    assert event["queryStringParameters"] == {"a": "1,2", "b": "x y", "c": ""}


def test_the_path_is_decoded_and_its_variables_are_named() -> None:
    event = event_of("/unsubscribe/a%20b", method="GET")
    assert event["rawPath"] == "/unsubscribe/a b"
    assert event["pathParameters"] == {"token": "a b"}
    assert event["routeKey"] == "ANY /unsubscribe/{token}"


def test_the_request_context_says_who_asked_and_when() -> None:
    context = event_of("/webhooks/mautic", headers={"User-Agent": "GuzzleHttp/7"})["requestContext"]
    assert context["http"] == {
        "method": "POST",
        "path": "/webhooks/mautic",
        "protocol": "HTTP/1.1",
        "sourceIp": "203.0.113.7",
        "userAgent": "GuzzleHttp/7",
    }
    assert context["timeEpoch"] == 1795177370317
    assert context["time"] == "20/Nov/2026:12:22:50 +0000"


@pytest.mark.parametrize(
    ("method", "path", "function"),
    [
        ("POST", "/api/sync/mautic", "mautic_sync"),
        ("GET", "/api/sync/mautic", "admin_api"),
        ("GET", "/api/a/b/c", "admin_api"),
        ("DELETE", "/unsubscribe/t", "unsubscribe"),
        ("POST", "/api/workflows/a\nb/pause", "admin_api"),
    ],
)
def test_the_most_specific_route_wins(method: str, path: str, function: str) -> None:
    match = match_route(ROUTES, method, path)
    assert match
    assert match.function == function


@pytest.mark.parametrize("path", ["/", "/webhooks", "/webhooks/mautic/", "/unsubscribe/a/b"])
def test_other_paths_have_no_route(path: str) -> None:
    assert match_route(ROUTES, "POST", path) is None


def test_an_answer_with_a_status_becomes_that_response() -> None:
    response = to_response(
        {"statusCode": 401, "headers": {"content-type": "application/json"}, "cookies": ["a=1", "b=2"], "body": "{}"}
    )
    assert (response.status_code, response.content_type, response.get_data()) == (401, "application/json", b"{}")
    assert response.headers.getlist("Set-Cookie") == ["a=1", "b=2"]


def test_a_plain_answer_is_json_with_status_200() -> None:
    response = to_response({"contacts_synced": 3})
    assert (response.status_code, response.get_json()) == (200, {"contacts_synced": 3})


def test_a_base64_answer_is_decoded() -> None:
    body = base64.b64encode(b"\x89PNG").decode()
    assert to_response({"statusCode": 200, "body": body, "isBase64Encoded": True}).get_data() == b"\x89PNG"


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "abc"},
        {"statusCode": None},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "body": "%%", "isBase64Encoded": True},
    ],
)
def test_an_answer_that_cannot_be_read_is_a_500(answer: dict[str, Any]) -> None:
    response = to_response(answer)
    assert (response.status_code, response.get_json()) == (500, {"message": "Internal Server Error"})
