"""Calls to Resend's REST API, and its errors: `{"statusCode": 422, "name": "validation_error", "message": "…"}`.

https://resend.com/docs/api-reference/errors and /rate-limit. At its edge another server answers, with a page.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from crm_relay.platform.errors import FatalError, RateLimited, RejectedInput, ServerFailed
from crm_relay.platform.http.http_client import Answer, HttpClient
from crm_relay.platform.http.json_answer import parsed
from crm_relay.platform.http.untrusted_json import read_json_object
from crm_relay.providers.resend.redaction import without_addresses
from crm_relay.providers.resend.wire import W

# The edge refuses anyone who does not say what it is: status 403, "error code: 1010".
_USER_AGENT = "crm-relay/1.0"
_EVERY_OTHER = frozenset(range(300, 1000))
_NAME = re.compile(r"[a-z][a-z_]{1,60}")
_LONGEST_MESSAGE = 200


@dataclass(frozen=True)
class RateLimit:
    """What the last answer told: requests left in this window and seconds until it ends; None where it was silent."""

    remaining: int | None
    reset_seconds: float | None


@dataclass(frozen=True)
class ResendReply:
    """An answer of any status. `body` is None where it is no JSON object, `name` where it is no error of Resend's.

    `message` holds no address; `seconds` is how long to wait where that was told.
    """

    status: int
    body: dict[str, Any] | None
    name: str | None
    message: str
    seconds: float | None

    @property
    def reason(self) -> str:
        """Status, name and message in one line."""
        return f"{self.status} {self.name or 'without a name'}: {self.message}".rstrip(": ")


class ResendApi:
    """One account by an API key, which stands in no message."""

    def __init__(self, http: HttpClient, api_key: str) -> None:
        self.http = http
        self.rate_limit = RateLimit(None, None)
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": _USER_AGENT,
        }

    def exchange(
        self, method: str, path: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> ResendReply:
        """One exchange, whatever its status. Raises NotConnected, and NoAnswer where it may have been carried out."""
        answer = self.http.send(
            method,
            path,
            headers={**self._headers, **(headers or {})},
            content=content,
            accept=_EVERY_OTHER,
            as_text=True,
        )
        self.rate_limit = RateLimit(
            _whole(answer.headers.get("ratelimit-remaining")), _seconds(answer.headers.get("ratelimit-reset"))
        )
        return _reply(answer)

    def call(
        self,
        kind: type[W],
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json_body: Mapping[str, Any] | None = None,
    ) -> W | None:
        """The answer in its shape; None for 404. Raises the errors of HttpClient.send.

        FatalError also for a key that may only send: reading needs one with full access.
        """
        content = None if json_body is None else json.dumps(json_body).encode()
        reply = self.exchange(method, f"{path}?{urlencode(query)}" if query else path, content)
        if reply.status == 404:
            return None
        if reply.status >= 300:
            raise _error(f"{method} {path}", reply)
        return parsed(kind, Answer(reply.status, reply.body))


def _error(what: str, reply: ResendReply) -> Exception:
    # Of the message nothing is told: it may quote what was sent.
    text = f"{what}: status {reply.status} {reply.name or ''}".rstrip()
    if reply.status == 429:
        return RateLimited(text, reply.seconds)
    if reply.status >= 500 or reply.status in {408, 409, 425}:
        return ServerFailed(text)
    if reply.status in {400, 413, 415, 422}:
        return RejectedInput(text, status=reply.status)
    return FatalError(text)


def _reply(answer: Answer) -> ResendReply:
    body = _object(answer.body)
    problem = body or {}
    name, message = problem.get("name"), problem.get("message")
    return ResendReply(
        status=answer.status,
        body=body,
        name=name if isinstance(name, str) and _NAME.fullmatch(name) else None,
        message=without_addresses(message, _LONGEST_MESSAGE) if isinstance(message, str) else "",
        seconds=_wait(answer),
    )


def _wait(answer: Answer) -> float | None:
    seconds = _seconds(answer.headers.get("retry-after"))
    return _seconds(answer.headers.get("ratelimit-reset")) if seconds is None and answer.status == 429 else seconds


def _object(text: Any) -> dict[str, Any] | None:
    try:
        return read_json_object(text.encode())
    except RejectedInput:
        return None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else None


def _seconds(text: str | None) -> float | None:
    whole = _whole(text)
    return None if whole is None else float(whole)
