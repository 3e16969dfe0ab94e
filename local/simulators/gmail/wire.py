"""Requests and answers as the simulator's handlers see them, and Google's forms of an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from local.simulators.http_server import Incoming, JsonAnswer

Json = dict[str, Any]


@dataclass
class GmailRequest(Incoming):
    pause: Callable[[], None] | None = None  # called before the request has an effect
    repeat: bool = False  # a page begins with the last item of the page before
    shift: int = 0  # items that a page leaves out at its start

    @property
    def object(self) -> Json:
        """The body. Raises GmailApiError for anything but a JSON object."""
        try:
            content = json.loads(self.body or b"{}")
        except ValueError:
            raise invalid("Parse Error", "parseError") from None
        if not isinstance(content, dict):
            raise invalid("Root element must be a message.")
        return content

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))

    def all(self, name: str) -> list[str]:
        """Every value of a parameter that may stand several times."""
        return [value for key, value in parse_qsl(self.raw_query, keep_blank_values=True) if key == name]


@dataclass
class GmailResponse(JsonAnswer):
    content_type: str = "application/json; charset=UTF-8"


class GmailApiError(Exception):
    """`{"error": {"code", "message", "errors": [{"domain", "reason", "message"}], "status"}}`."""

    def __init__(self, status: int, reason: str, message: str, name: str, *, domain: str = "global") -> None:
        super().__init__(reason)
        listed = [{"message": message, "domain": domain, "reason": reason}]
        self.status = status
        self.body: Json = {"error": {"code": status, "message": message, "errors": listed, "status": name}}

    def response(self) -> GmailResponse:
        return GmailResponse(self.status, self.body)


class OAuthError(GmailApiError):
    """`{"error", "error_description"}` of the token endpoint [W]."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(status, error, description, "")
        self.body = {"error": error, "error_description": description}


def invalid(message: str, reason: str = "invalidArgument") -> GmailApiError:
    return GmailApiError(400, reason, message, "INVALID_ARGUMENT")


def not_found() -> GmailApiError:
    return GmailApiError(404, "notFound", "Requested entity was not found.", "NOT_FOUND")


def bad_token() -> GmailApiError:
    return GmailApiError(401, "authError", "Invalid Credentials", "UNAUTHENTICATED")


def no_permission() -> GmailApiError:
    text = "Request had insufficient authentication scopes."
    return GmailApiError(403, "insufficientPermissions", text, "PERMISSION_DENIED")


def too_many(status: int = 429) -> GmailApiError:
    """With 429 or 403 [Q]."""
    reason, text = "userRateLimitExceeded", "User-rate limit exceeded."
    return GmailApiError(status, reason, text, "RESOURCE_EXHAUSTED", domain="usageLimits")


def broken(status: int = 500) -> GmailApiError:
    return GmailApiError(status, "backendError", "Internal error encountered.", "INTERNAL")


def edge_page(status: int) -> GmailResponse:
    page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n"
    return GmailResponse(status, page.encode(), content_type="text/html")
