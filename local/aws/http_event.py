"""What API Gateway's HTTP API makes of a request, and of a function's answer (payload format 2.0)."""

import base64
import binascii
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.wrappers import Request, Response

from local.template.template import ACCOUNT, TemplateRoute

GATEWAY_LIMIT_BYTES = 10 * 1024 * 1024
LAMBDA_LIMIT_BYTES = 6 * 1024 * 1024
_READ_AT_ONCE = 64 * 1024

# Everything else comes base64, a form and a body without a type included, as seen on the real service:
# https://github.com/ministackorg/ministack/pull/766
_TEXT_TYPES = re.compile(r"text/|application/(json|xml|javascript)(;|$)")


@dataclass(frozen=True)
class RouteMatch:
    """`parameters` is empty for a route without variables."""

    function: str
    route: TemplateRoute
    parameters: dict[str, str]

    @property
    def key(self) -> str:
        return f"{self.route.method} {self.route.path}"


def match_route(routes: Mapping[TemplateRoute, str], method: str, path: str) -> RouteMatch | None:
    """The most specific route wins: a named method before ANY, literal segments before variables, greedy last.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """
    found = [
        RouteMatch(function, route, match.groupdict())
        for route, function in routes.items()
        if route.method in {method, "ANY"} and (match := _pattern(route.path).fullmatch(path))
    ]
    return min(found, key=_vagueness, default=None)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\+?\})", path)
    # A variable takes any character: a path may hold a line break (%0A).
    return re.compile("".join(_segment(part) for part in parts), re.DOTALL)


def _segment(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    name = part.strip("{+}")
    return f"(?P<{name}>.+)" if part.endswith("+}") else f"(?P<{name}>[^/]+)"


def _vagueness(match: RouteMatch) -> tuple[bool, int, bool]:
    return "+}" in match.route.path, match.route.path.count("{"), match.route.method == "ANY"


def request_path(request: Request) -> str:
    """The path decoded, and cut at a decoded question mark, as the service does it.

    Seen on the real service: https://github.com/hotsock/voker/pull/8
    """
    return request.path.split("?", 1)[0]


def read_body(request: Request) -> bytes | None:
    """None for one that is larger than the service takes; of that no more is kept than the limit.

    The rest is read and dropped in any case: an unread body would break the connection.
    """
    parts, size = [], 0
    while part := request.stream.read(_READ_AT_ONCE):
        size += len(part)
        if size <= GATEWAY_LIMIT_BYTES:
            parts.append(part)
        else:
            parts.clear()
    return b"".join(parts) if size <= GATEWAY_LIMIT_BYTES else None


def build_event(request: Request, match: RouteMatch, body: bytes, now: datetime) -> dict[str, Any]:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html"""
    cookies = [cookie for cookie in request.headers.get("Cookie", "").split("; ") if cookie]
    query = request.query_string.decode("latin-1")
    optional = {
        "cookies": cookies,
        "queryStringParameters": _joined(parse_qsl(query, keep_blank_values=True)),
        "pathParameters": match.parameters,
    }
    return {
        "version": "2.0",
        "routeKey": match.key,
        "rawPath": request_path(request),
        "rawQueryString": query,
        "headers": _headers(request, len(body)),
        "requestContext": _request_context(request, match, now),
        **{name: value for name, value in optional.items() if value},
        **_body(body, request.headers.get("Content-Type", "")),
    }


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    names = dict.fromkeys(name for name, _ in pairs)
    return {name: ",".join(value for other, value in pairs if other == name) for name in names}


def _headers(request: Request, length: int) -> dict[str, str]:
    sent = _joined([(name.lower(), value) for name, value in request.headers.items()])
    for name in ("cookie", "connection", "keep-alive", "transfer-encoding"):
        sent.pop(name, None)
    forwarded_for = ", ".join(filter(None, [sent.get("x-forwarded-for"), request.remote_addr]))
    added = {
        "content-length": str(length),
        "x-amzn-trace-id": f"Root=1-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:24]}",
        "x-forwarded-for": forwarded_for,
        "x-forwarded-port": request.host.partition(":")[2] or "80",
        "x-forwarded-proto": request.scheme,
    }
    return dict(sorted((sent | added).items()))


def _request_context(request: Request, match: RouteMatch, now: datetime) -> dict[str, Any]:
    return {
        "accountId": ACCOUNT,
        "apiId": "local",
        "domainName": request.host.partition(":")[0],
        "domainPrefix": "local",
        "http": {
            "method": request.method,
            "path": request_path(request),
            "protocol": request.environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
            "sourceIp": request.remote_addr or "127.0.0.1",
            "userAgent": request.headers.get("User-Agent", ""),
        },
        "requestId": str(uuid.uuid4()),
        "routeKey": match.key,
        "stage": "$default",
        "time": now.astimezone(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now.timestamp() * 1000),
    }


def _body(body: bytes, content_type: str) -> dict[str, Any]:
    if not body:
        return {"isBase64Encoded": False}
    if _TEXT_TYPES.match(content_type.lower().replace(" ", "")):
        try:
            return {"body": body.decode("utf-8"), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass  # declared as text, but is none
    return {"body": base64.b64encode(body).decode("ascii"), "isBase64Encoded": True}


def message(status: int, text: str) -> Response:
    """An answer of the service itself, such as `{"message":"Not Found"}`."""
    return Response(json.dumps({"message": text}, separators=(",", ":")), status, mimetype="application/json")


def to_response(answer: Any) -> Response:
    """A function's answer as HTTP; one that the service cannot read is a 500, as there."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(json.dumps(answer), 200, mimetype="application/json")
    try:
        body = _answer_body(answer)
        response = Response(body, int(answer["statusCode"]), content_type="text/plain;charset=utf-8")
    except (TypeError, ValueError):
        return message(500, "Internal Server Error")
    for name, value in (answer.get("headers") or {}).items():
        response.headers[name] = str(value)
    for cookie in answer.get("cookies") or []:
        response.headers.add("Set-Cookie", cookie)
    return response


def _answer_body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body") or ""
    if not isinstance(body, str):
        raise TypeError("body is not a string")
    if not answer.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ValueError("body is not base64") from error
