"""Requests and answers as the simulator's handlers see them, and Resend's form of an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from local.simulators.http_server import Incoming

Json = dict[str, Any]


@dataclass
class Request(Incoming):
    pause: Callable[[], None] | None = None  # called while the request is being worked on, before it has an effect

    def given(self, name: str) -> str | None:
        """A header that may be there and empty; None where it was not sent."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)

    @cached_property
    def json(self) -> Any:
        """None for what is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def object(self) -> Json:
        return self.json if isinstance(self.json, dict) else {}


@dataclass
class Response:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, separators=(",", ":")).encode()


class ApiError(Exception):
    """`{"statusCode", "name", "message"}` [S]."""

    def __init__(self, status: int, name: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(name)
        self.status = status
        self.name = name
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> Response:
        body = {"statusCode": self.status, "name": self.name, "message": self.message}
        return Response(self.status, body, self.headers)


def edge_page(status: int) -> Response:
    """The server before Resend's: a page, whatever was asked for."""
    page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>cloudflare</body></html>\n"
    return Response(status, page.encode(), content_type="text/html")


def list_of(items: list[Json], has_more: bool) -> Response:
    return Response(200, {"object": "list", "has_more": has_more, "data": items})
