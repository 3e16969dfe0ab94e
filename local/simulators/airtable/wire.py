"""Requests and answers as the simulator's handlers see them, and Airtable's three forms of an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from local.simulators.http_server import Incoming, JsonAnswer

Json = dict[str, Any]


@dataclass
class AirtableRequest(Incoming):
    pause: Callable[[], None] | None = None  # called before the request has an effect
    partial: int | None = None  # so many records are written, then the request fails
    shift: int = 0  # rows by which a page begins too late
    repeat: bool = False  # the page that was answered before comes again

    @property
    def object(self) -> Json:
        """The body. Raises AirtableApiError for anything but a JSON object."""
        try:
            content = json.loads(self.body or b"{}")
        except ValueError:
            raise AirtableApiError(400, "INVALID_REQUEST_BODY", "Could not parse request body") from None
        if not isinstance(content, dict):
            raise AirtableApiError(422, "INVALID_REQUEST_UNKNOWN", "Invalid request: parameter validation failed.")
        return content

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The query with names that stand in it several times, such as `fields[]`."""
        return parse_qsl(self.raw_query, keep_blank_values=True)


class AirtableResponse(JsonAnswer):
    """Of Airtable."""


class AirtableApiError(Exception):
    """`{"error": {"type", "message"}}`, or one of the two other forms below."""

    def __init__(self, status: int, kind: str, message: str = "", *, body: Json | None = None) -> None:
        super().__init__(kind)
        self.status = status
        self.kind = kind
        self.body = body or {"error": {"type": kind, "message": message}}

    def response(self) -> AirtableResponse:
        return AirtableResponse(self.status, self.body)


def bare_error(status: int, kind: str) -> AirtableApiError:
    """`{"error": "NOT_FOUND"}` [D]."""
    return AirtableApiError(status, kind, body={"error": kind})


def listed_error(status: int, kind: str, message: str) -> AirtableApiError:
    """`{"errors": [{"error": "RATE_LIMIT_REACHED", "message": …}]}` (hackclub/hackatime#299) [I]."""
    return AirtableApiError(status, kind, body={"errors": [{"error": kind, "message": message}]})


def oauth_error(status: int, kind: str, description: str) -> AirtableApiError:
    """Of the token endpoint: `{"error", "error_description"}` [D]."""
    return AirtableApiError(status, kind, body={"error": kind, "error_description": description})


def no_permission() -> AirtableApiError:
    """Also for an id that does not exist [D]."""
    text = (
        "Invalid permissions, or the requested model was not found. Check that both your user and your token have the "
        "required permissions, and that the model names and/or ids are correct."
    )
    return AirtableApiError(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", text)


def edge_page(status: int) -> AirtableResponse:
    """The server before Airtable's: a page, whatever was asked for."""
    page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n"
    return AirtableResponse(status, page.encode(), content_type="text/html")


def flag(options: Mapping[str, Any], name: str) -> bool:
    """A switch of a request: JSON true, or `1` or `true` in a query [P]."""
    return options.get(name) in {True, "1", "true"}
