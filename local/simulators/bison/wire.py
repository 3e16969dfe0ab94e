"""Requests and answers as the simulator's handlers see them, and Laravel's forms of pages and errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from local.simulators.http_server import Incoming

Json = dict[str, Any]
Item = TypeVar("Item")

# 15 whatever `per_page` says: [V] for the size, [1] for `per_page` being ignored.
PAGE_SIZE = 15


@dataclass
class BisonRequest(Incoming):
    workspace_id: int = 0  # filled in by the gate: whose data this call sees
    super_admin: bool = False

    @property
    def wants_json(self) -> bool:
        """Laravel looks at the first accepted type; without JSON it answers for a browser [C]."""
        return "json" in self.header("Accept").partition(",")[0]

    def many(self, name: str) -> list[str]:
        """PHP's arrays in a query: `name[]=1&name[]=2` or `name[0]=1`."""
        wanted = re.compile(re.escape(name) + r"(\[\d*\])?")
        return [value for key, value in parse_qsl(self.raw_query) if wanted.fullmatch(key)]

    @cached_property
    def payload(self) -> Json:
        """What is no JSON object counts as nothing sent, so the required fields are missed (Laravel, assumed)."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass
class BisonResponse:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else laravel_json(self.body)


class BisonApiError(Exception):
    """`{"message": …}`, with `errors` on 422 [C]; a browser gets a page or a redirect instead."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Json | None = None,
    ) -> None:
        super().__init__(status)
        self.status = status
        self.headers = dict(headers or {})
        self.body: Json = {"message": message, **({"errors": errors} if errors else {}), **(extra or {})}

    def response(self, request: BisonRequest) -> BisonResponse:
        if request.wants_json:
            return BisonResponse(self.status, self.body, self.headers)
        if self.status in {401, 422}:
            target = f"{request.base_url}/login" if self.status == 401 else request.base_url
            headers = {"Location": target, **self.headers}
            return BisonResponse(
                302, page_for_a_browser(f"Redirecting to {target}"), headers, "text/html; charset=utf-8"
            )
        text = page_for_a_browser(str(self.body["message"]))
        return BisonResponse(self.status, text, self.headers, "text/html; charset=utf-8")


def page_for_a_browser(title: str) -> bytes:
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>{title}</body></html>\n".encode()


def invalid(errors: Mapping[str, str]) -> BisonApiError:
    """Laravel's summary: the first error, and how many more there are."""
    first, more = next(iter(errors.values())), len(errors) - 1
    rest = f" (and {more} more error{'s' if more > 1 else ''})" if more else ""
    return BisonApiError(422, first + rest, {name: [text] for name, text in errors.items()})


def missing(model: str, number: int | str) -> BisonApiError:
    """Laravel's message for a row that is not there; a row of another workspace looks the same."""
    return BisonApiError(404, f"No query results for model [App\\Models\\{model}] {number}")


def success(message: str) -> BisonResponse:
    """The form that two public clients know [C]."""
    return BisonResponse(200, {"data": {"success": True, "message": message}})


def laravel_json(value: Any) -> bytes:
    """PHP escapes slashes and everything that is not ASCII (assumed: Laravel's defaults)."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode()


def page(request: BisonRequest, items: Sequence[Item], view: Callable[[Item], Json]) -> BisonResponse:
    """One page with `links` and `meta` [V]; a page behind the last is empty, one that is no number is the first."""
    asked = request.query.get("page", "1")
    number = int(asked) if asked.isdecimal() and int(asked) > 0 else 1
    start, last = (number - 1) * PAGE_SIZE, max(1, -(-len(items) // PAGE_SIZE))
    shown = items[start : start + PAGE_SIZE]
    path = request.base_url + request.path

    def link(target: int) -> str | None:
        return f"{path}?page={target}" if 1 <= target <= last else None

    meta = {
        "current_page": number,
        "from": start + 1 if shown else None,
        "last_page": last,
        "path": path,
        "per_page": PAGE_SIZE,
        "to": start + len(shown) if shown else None,
        "total": len(items),
    }
    links = {"first": link(1), "last": link(last), "prev": link(number - 1), "next": link(number + 1)}
    return BisonResponse(200, {"data": [view(item) for item in shown], "links": links, "meta": meta})


def stamp(moment: datetime | None) -> str | None:
    """`2025-04-14T16:59:21.000000Z` [V]: whole seconds, although six digits stand there."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000000Z") if moment else None
