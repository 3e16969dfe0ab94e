"""An HTTP API event (payload 2.0) as a request, and our answer as what API Gateway expects.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crm_relay.platform.errors import FatalError, IgnoredInput, RejectedInput, TransientError
from crm_relay.platform.logging import logger

HttpResponse = dict[str, Any]


@dataclass(frozen=True)
class HttpRequest:
    """What of a request a use case may look at. Header names are lower-case; `body` is what was signed."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    path_parameters: Mapping[str, str]
    body: bytes


def read_request(event: Mapping[str, Any]) -> HttpRequest:
    """The request of an HTTP API event. Raises RejectedInput where the event is none or its base64 is broken."""
    http = (event.get("requestContext") or {}).get("http")
    if not isinstance(http, Mapping):
        raise RejectedInput("not an HTTP request")
    text = event.get("body") or ""
    try:
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except (binascii.Error, ValueError):
        raise RejectedInput("the body cannot be decoded") from None
    return HttpRequest(
        method=str(http.get("method", "")).upper(),
        path=str(event.get("rawPath", "/")),
        headers={str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()},
        query=event.get("queryStringParameters") or {},
        path_parameters=event.get("pathParameters") or {},
        body=body,
    )


@dataclass(frozen=True)
class PageContent:
    """A body that is text already; `headers` are added to those that every answer has."""

    text: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Body = Mapping[str, Any] | PageContent
"""What a use case answers: an object that becomes JSON, or text."""


@dataclass(frozen=True)
class Accepts:
    """What a route takes, checked before anything else is looked at. `content_types` None: any, or none at all."""

    methods: tuple[str, ...] = ("POST",)
    content_types: tuple[str, ...] | None = ("application/json",)
    max_body_bytes: int = 5 * 1024 * 1024

    def check(self, request: HttpRequest) -> None:
        """Raises RejectedInput with 405, 415 or 413."""
        if request.method not in self.methods:
            raise RejectedInput("method not allowed", status=405, details=[f"allowed: {', '.join(self.methods)}"])
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.body and self.content_types is not None and kind not in self.content_types:
            raise RejectedInput(
                "unsupported content type", status=415, details=[f"expected: {', '.join(self.content_types)}"]
            )
        if len(request.body) > self.max_body_bytes:
            raise RejectedInput("body too large", status=413, details=[f"at most {self.max_body_bytes} bytes"])


def respond(
    event: Mapping[str, Any], accepts: Accepts, use_case: Callable[[HttpRequest], tuple[int, Body]]
) -> HttpResponse:
    """Answer an HTTP API event: OPTIONS with CORS, errors as JSON, everything else by `use_case` (status, body).

    This is where the four errors become statuses, once. What nobody foresaw is logged by its type alone, since a
    message may quote input, and answered 500.
    """
    try:
        request = read_request(event)
        if request.method == "OPTIONS":
            return _answer(204, None, accepts)
        accepts.check(request)
        status, body = use_case(request)
        return _answer(status, body, accepts)
    except RejectedInput as error:
        return _answer(error.status, {"error": error.message, "details": list(error.details)}, accepts)
    except IgnoredInput as error:
        return _answer(200, {"success": True, "ignored": str(error)}, accepts)
    except TransientError as error:
        logger().warning("temporarily unavailable", reason=str(error))
        return _answer(503, {"error": "temporarily unavailable", "details": []}, accepts)
    except FatalError as error:
        logger().error("misconfigured or broken", reason=str(error))
        return _answer(503, {"error": "service not available", "details": []}, accepts)
    except Exception as error:  # noqa: BLE001 - the border: nothing may leave as a stack trace
        logger().error("unforeseen error", kind=type(error).__name__, where=_where(error))
        return _answer(500, {"error": "internal error", "details": []}, accepts)


def _where(error: Exception) -> str:
    """File and line of the innermost frame: enough to find the fault, without a message that may quote input."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "unknown" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _answer(status: int, body: Body | None, accepts: Accepts) -> HttpResponse:
    content = body if isinstance(body, PageContent) else PageContent("" if body is None else json.dumps(body))
    headers = {
        "content-type": content.content_type,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "access-control-allow-origin": "*",
        "access-control-allow-methods": ", ".join((*accepts.methods, "OPTIONS")),
        "access-control-allow-headers": "authorization, content-type, webhook-signature, x-mautic-signature",
    }
    if status == 405:
        headers["allow"] = headers["access-control-allow-methods"]
    return {"statusCode": status, "headers": headers | dict(content.headers), "body": content.text}
