"""Requests and answers as the simulator's handlers see them, and Resend's form of an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from local.simulators.http_server import Incoming, JsonAnswer

Json = dict[str, Any]


@dataclass
class ResendRequest(Incoming):
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


class ResendResponse(JsonAnswer):
    def encoded(self) -> bytes:
        """Other letters than ASCII leave escaped."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, separators=(",", ":")).encode()


class ResendApiError(Exception):
    """`{"statusCode", "name", "message"}` [S]."""

    def __init__(self, status: int, name: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(name)
        self.status = status
        self.name = name
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> ResendResponse:
        body = {"statusCode": self.status, "name": self.name, "message": self.message}
        return ResendResponse(self.status, body, self.headers)


def edge_page(status: int) -> ResendResponse:
    """The server before Resend's: a page, whatever was asked for."""
    page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>cloudflare</body></html>\n"
    return ResendResponse(status, page.encode(), content_type="text/html")


def list_of(items: list[Json], has_more: bool) -> ResendResponse:
    return ResendResponse(200, {"object": "list", "has_more": has_more, "data": items})
