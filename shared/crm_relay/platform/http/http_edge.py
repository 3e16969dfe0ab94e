"""An HTTP API event (payload 2.0) as a request, and our answer as what API Gateway expects.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from crm_relay.platform.errors import FatalError, IgnoredInput, RejectedInput, TransientError
from crm_relay.platform.http.answer_headers import SECURITY_HEADERS, AllowedOrigins, cors_headers, no_origins
from crm_relay.platform.logging import logger

HttpResponse = dict[str, Any]


DEFAULT_MAX_BODY_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True)
class HttpRequest:
    """What of a request a use case may look at. Header names are lower-case.

    `body` is what was signed. It is decoded when it is first read, so that a caller who is refused by a header or by
    the path costs nothing, whatever they sent. `raw_body` is how the event has it. `domain` is the name of the
    API that was called, as API Gateway knows it (`requestContext.domainName`), and no header of the caller.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    path_parameters: Mapping[str, str]
    raw_body: str = field(default="", repr=False)
    is_base64: bool = False
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
    domain: str = ""

    @cached_property
    def body(self) -> bytes:
        """Raises RejectedInput with 413 for one that is too large, with 400 for one that cannot be decoded."""
        if self.is_surely_too_large:
            raise self.too_large()
        try:
            text = self.raw_body
            body = base64.b64decode(text, validate=True) if self.is_base64 else text.encode()
        except (binascii.Error, ValueError):
            raise RejectedInput("the body cannot be decoded") from None
        # The number of characters said only how many bytes there are at least.
        if len(body) > self.max_body_bytes:
            raise self.too_large()
        return body

    @property
    def is_surely_too_large(self) -> bool:
        """By the number of characters alone: four of base64 are three bytes, one of text is one byte or more."""
        if not self.is_base64:
            return len(self.raw_body) > self.max_body_bytes
        padding = 2 if self.raw_body.endswith("==") else int(self.raw_body.endswith("="))
        return len(self.raw_body) // 4 * 3 - padding > self.max_body_bytes

    def too_large(self) -> RejectedInput:
        """To raise."""
        return RejectedInput("body too large", status=413, details=[f"at most {self.max_body_bytes} bytes"])


def read_request(event: Mapping[str, Any], max_body_bytes: int = DEFAULT_MAX_BODY_BYTES) -> HttpRequest:
    """The request of an HTTP API event, its body undecoded. Raises RejectedInput where the event is none."""
    http = (event.get("requestContext") or {}).get("http")
    if not isinstance(http, Mapping):
        raise RejectedInput("not an HTTP request")
    # API Gateway takes cookies out of the headers.
    cookies = {"cookie": "; ".join(map(str, event["cookies"]))} if event.get("cookies") else {}
    return HttpRequest(
        method=str(http.get("method", "")).upper(),
        path=str(event.get("rawPath", "/")),
        headers={str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()} | cookies,
        query=event.get("queryStringParameters") or {},
        path_parameters=event.get("pathParameters") or {},
        raw_body=str(event.get("body") or ""),
        is_base64=bool(event.get("isBase64Encoded")),
        max_body_bytes=max_body_bytes,
        domain=str(event["requestContext"].get("domainName") or ""),
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
    """What a route takes, checked before anything else is looked at. `content_types` None: any, or none at all.

    `origins`: the pages of other origins that may call it.
    """

    methods: tuple[str, ...] = ("POST",)
    content_types: tuple[str, ...] | None = ("application/json",)
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
    origins: AllowedOrigins = no_origins

    def check(self, request: HttpRequest) -> None:
        """Raises RejectedInput with 405, 415 or 413. The body is not decoded."""
        if request.method not in self.methods:
            raise RejectedInput("method not allowed", status=405, details=[f"allowed: {', '.join(self.methods)}"])
        if request.is_surely_too_large:
            raise request.too_large()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.raw_body and self.content_types is not None and kind not in self.content_types:
            raise RejectedInput(
                "unsupported content type", status=415, details=[f"expected: {', '.join(self.content_types)}"]
            )


UseCase = Callable[[HttpRequest], tuple[int, Body]]
"""Status and answer. It lets the caller in, by a header or the path where it can, before it reads the body."""


def respond(event: Mapping[str, Any], accepts: Accepts, use_case: UseCase) -> HttpResponse:
    """Answer an HTTP API event: OPTIONS and every refusal here, everything else by `use_case`.

    The order is the same for every door: method, size and content type, then who calls, then what they say.
    """
    try:
        request = read_request(event, accepts.max_body_bytes)
    except RejectedInput as error:
        return _answer(error.status, {"error": error.message, "details": list(error.details)}, accepts, {})
    status, body = (204, None) if request.method == "OPTIONS" else _outcome(request, accepts, use_case)
    return _answer(status, body, accepts, _cors(request, accepts))


def _outcome(request: HttpRequest, accepts: Accepts, use_case: UseCase) -> tuple[int, Body]:
    """This is where the four errors become statuses, once.

    What nobody foresaw is logged by its type alone, since a message may quote input, and answered 500.
    """
    try:
        accepts.check(request)
        return use_case(request)
    except RejectedInput as error:
        return error.status, {"error": error.message, "details": list(error.details)}
    except IgnoredInput as error:
        return 200, {"success": True, "ignored": str(error)}
    except TransientError as error:
        logger().warning("temporarily unavailable", reason=str(error))
        return 503, {"error": "temporarily unavailable", "details": []}
    except FatalError as error:
        logger().error("misconfigured or broken", reason=str(error))
        return 503, {"error": "service not available", "details": []}
    except Exception as error:  # noqa: BLE001 - the border: nothing may leave as a stack trace
        logger().error("unforeseen error", kind=type(error).__name__, where=_where(error))
        return 500, {"error": "internal error", "details": []}


def _cors(request: HttpRequest, accepts: Accepts) -> dict[str, str]:
    try:
        return cors_headers(request.headers.get("origin"), accepts.origins, accepts.methods)
    except (TransientError, FatalError) as error:
        logger().warning("allowed origins not known", reason=str(error))
        return {"vary": "origin"}


def _where(error: Exception) -> str:
    """File and line of the innermost frame: enough to find the fault, without a message that may quote input."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "unknown" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _answer(status: int, body: Body | None, accepts: Accepts, cors: Mapping[str, str]) -> HttpResponse:
    content = body if isinstance(body, PageContent) else PageContent("" if body is None else json.dumps(body))
    headers = {**SECURITY_HEADERS, "content-type": content.content_type, **cors}
    if status in (204, 405):
        headers["allow"] = ", ".join((*accepts.methods, "OPTIONS"))
    return {"statusCode": status, "headers": headers | dict(content.headers), "body": content.text}
