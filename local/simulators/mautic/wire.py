"""Requests and answers as the simulator's handlers see them, and PHP's way of writing JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from local.simulators.http_server import Incoming

Json = dict[str, Any]


@dataclass
class MauticRequest(Incoming):
    fail_after_items: int | None = None

    @cached_property
    def payload(self) -> Any:
        """The body as PHP sees it: JSON and forms only (recorded: 122_wrong_content_type_text_plain)."""
        kind = self.header("Content-Type")
        if "form-urlencoded" in kind:
            return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))
        if "json" not in kind or not self.body:
            return {}
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise MauticApiError(400, [generic_error(400)]) from error

    @property
    def items(self) -> int | None:
        """Number of items in a batch body; None for everything else."""
        if "/batch/" not in self.path or self.path.startswith("/_"):
            return None
        try:
            return len(self.payload) if isinstance(self.payload, dict | list) else None
        except MauticApiError:
            return None


@dataclass
class MauticResponse:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def encoded(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return php_json(self.body)


class MauticApiError(Exception):
    def __init__(self, status: int, errors: list[Json], headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.errors = errors
        self.headers = headers or {}

    def response(self) -> MauticResponse:
        return MauticResponse(self.status, {"errors": self.errors}, dict(self.headers))


def generic_error(code: int) -> Json:
    """What Mautic says when it broke itself (recorded: 47_batch_new_broken_json, 93_*)."""
    text = "If I do it again, please report me to the system administrator!"
    return {"message": f"Looks like I encountered an error (error #{code}). {text}", "code": code, "type": None}


def not_found(message: str = "Item was not found.") -> MauticApiError:
    return MauticApiError(404, [{"code": 404, "message": message, "details": []}])


def invalid(details: Mapping[str, str], code: int = 400) -> MauticApiError:
    message = ", ".join(f"{alias}: {text}" for alias, text in details.items())
    return MauticApiError(
        code, [{"code": code, "message": message, "details": {alias: [text] for alias, text in details.items()}}]
    )


def php_json(value: Any) -> bytes:
    """PHP escapes slashes and everything that is not ASCII; anyone who verifies a signature meets that."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode()


def php_array(pairs: Iterable[tuple[int | str, Any]]) -> Any:
    """A PHP array as JSON: a list when the keys run from 0 without a gap, else an object."""
    kept = dict(pairs)
    if list(kept) == list(range(len(kept))):
        return list(kept.values())
    return {str(key): value for key, value in kept.items()}


def php_items(payload: Any) -> list[tuple[int | str, Any]]:
    """The items of a decoded body with PHP's keys: numeric strings become integers."""
    if isinstance(payload, dict):
        return [(int(key) if key.isdecimal() else key, item) for key, item in payload.items()]
    return list(enumerate(payload)) if isinstance(payload, list) else []


def php_serialize(value: Any) -> str:
    """Field properties leave the contact list in PHP's own serialisation (recorded: 35_contacts_list_page)."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        body = "".join(php_serialize(key) + php_serialize(item) for key, item in pairs)
        return f"a:{len(value)}:{{{body}}}"
    if isinstance(value, int):
        return f"i:{value};"
    return f's:{len(str(value).encode())}:"{value}";'


def iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
