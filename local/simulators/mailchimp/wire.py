"""Requests and answers as the simulator's handlers see them, and Mailchimp's problems."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from local.simulators.http_server import Incoming, JsonAnswer

Json = dict[str, Any]


@dataclass
class MailchimpRequest(Incoming):
    """`is_inner`: an operation of a batch."""

    is_inner: bool = False

    @property
    def object(self) -> Json:
        """The body. Raises MailchimpProblem for anything but a JSON object."""
        try:
            content = json.loads(self.body or b"{}")
        except ValueError:
            raise MailchimpProblem(
                400, "JSON Parse Error", "We encountered an unspecified JSON parsing error."
            ) from None
        if not isinstance(content, dict):
            raise invalid("", "Schema describes object, array found instead")
        return content

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))


class MailchimpResponse(JsonAnswer):
    """Of Mailchimp."""


class MailchimpProblem(Exception):
    """application/problem+json [O]."""

    def __init__(self, status: int, title: str, detail: str = "", errors: list[Json] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.body: Json = {
            "type": "https://mailchimp.com/developer/marketing/docs/errors/",
            "title": title,
            "status": status,
            "detail": detail,
            "instance": "995c5cb0-3280-4a6e-808b-3b096d0bb219",
        }
        if errors is not None:
            self.body["errors"] = errors

    def response(self) -> MailchimpResponse:
        return MailchimpResponse(self.status, self.body, content_type="application/problem+json; charset=utf-8")


def invalid(name: str, message: str) -> MailchimpProblem:
    text = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
    return MailchimpProblem(400, "Invalid Resource", text, [{"field": name, "message": message}])


def not_found() -> MailchimpProblem:
    return MailchimpProblem(404, "Resource Not Found", "The requested resource could not be found.")


def selected(content: Json, query: Mapping[str, str]) -> Json:
    """As `fields` and `exclude_fields` ask: names, and names inside the items of a list by a dot [O]."""
    wanted, left = _names(query.get("fields")), _names(query.get("exclude_fields"))
    found = {name: value for name, value in content.items() if _is_wanted(name, wanted) and name not in left}
    for name, value in found.items():
        inner = {each.partition(".")[2] for each in wanted if each.startswith(f"{name}.")}
        outer = {each.partition(".")[2] for each in left if each.startswith(f"{name}.")}
        if isinstance(value, list) and (inner or outer):
            found[name] = [
                {key: part for key, part in each.items() if (not inner or key in inner) and key not in outer}
                for each in value
            ]
    return found


def _names(text: str | None) -> set[str]:
    return set(text.split(",")) if text else set()


def _is_wanted(name: str, wanted: set[str]) -> bool:
    return not wanted or name in wanted or any(each.startswith(f"{name}.") for each in wanted)
