"""Settings of one Airtable connection: which table, and which of its fields is which of ours."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.connectors.contract import FieldRule

PLAN_CALLS: Mapping[str, int | None] = {"free": 1_000, "team": 100_000, "business": None, "enterprise": None}
"""Calls a month and workspace: https://support.airtable.com/docs/managing-api-call-limits-in-airtable."""

_OURS = re.compile(r"[a-z][a-z0-9_]{0,62}")
_OWNERS = {"ours", "theirs", "latest"}


@dataclass(frozen=True)
class AirtableSettings:
    """`types`: our name of a field -> its type there, where the mapping names it.

    `adds_choices`: a value that a select field does not know becomes a new choice of it, else it is refused.
    """

    base_id: str
    table_id: str
    rules: tuple[FieldRule, ...]
    types: Mapping[str, str]
    adds_choices: bool = False

    @property
    def mapping(self) -> str:
        """Changes when another field is mapped, not when the owner of one changes."""
        pairs = "\n".join(sorted(f"{rule.ours}={rule.theirs}" for rule in self.rules))
        return hashlib.sha256(pairs.encode()).hexdigest()[:12]


def read_settings(settings: Mapping[str, Any]) -> AirtableSettings:
    """`base_id`, `table_id`, `fields`, and optionally `adds_choices` (false) and `plan` (free).

    `fields`: our name of each field -> its id there, `fld…`, or `{"id", "owner", "type"}`; without an owner the latest
    change holds, and a type that is named is the one that is expected. Raises RejectedInput that names each setting
    that is missing or malformed.
    """
    problems = [*_id_problems(settings, "base_id", "app"), *_id_problems(settings, "table_id", "tbl")]
    fields = settings.get("fields")
    entries = {ours: _entry(each) for ours, each in fields.items()} if isinstance(fields, Mapping) else {}
    problems += _field_problems(entries)
    if not isinstance(settings.get("adds_choices", False), bool):
        problems.append("adds_choices: true or false")
    if str(settings.get("plan", "free")) not in PLAN_CALLS:
        problems.append(f"plan: one of {', '.join(PLAN_CALLS)}")
    if problems:
        raise RejectedInput("the settings of the Airtable connection cannot be used", status=422, details=problems)
    return AirtableSettings(
        settings["base_id"],
        settings["table_id"],
        tuple(FieldRule(ours, each["id"], each.get("owner", "latest")) for ours, each in entries.items()),
        {ours: each["type"] for ours, each in entries.items() if each.get("type")},
        settings.get("adds_choices", False),
    )


def base_of(settings: Mapping[str, Any]) -> str | None:
    """The base that settings name, finished or not."""
    return base if isinstance(base := settings.get("base_id"), str) and is_id(base, "app") else None


def monthly_calls(settings: Mapping[str, Any]) -> int | None:
    """Those of the plan; of the free one where the settings name none, None where it has no limit."""
    return PLAN_CALLS.get(str(settings.get("plan")), PLAN_CALLS["free"])


def is_id(text: object, kind: str) -> bool:
    """`app`, `tbl` or `fld` with letters and digits behind it."""
    return isinstance(text, str) and re.fullmatch(kind + r"[A-Za-z0-9]{1,40}", text) is not None


def _id_problems(settings: Mapping[str, Any], name: str, kind: str) -> Iterator[str]:
    value = settings.get(name)
    if not is_id(value, kind):
        yield f"{name}: {'missing' if value is None else f'an id begins with {kind}'}"


def _entry(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {"id": given}


def _field_problems(entries: Mapping[Any, Mapping[str, Any]]) -> Iterator[str]:
    if not entries:
        yield "fields: missing"
    elif "email" not in entries:
        yield "fields.email: missing, people are matched by it"
    ids = [each.get("id") for each in entries.values()]
    for ours, each in entries.items():
        if not isinstance(ours, str) or not _OURS.fullmatch(ours):
            yield "fields: each is the name of a column of ours"
            continue
        if not is_id(each.get("id"), "fld"):
            yield f"fields.{ours}: the id of a field begins with fld"
        elif ids.count(each["id"]) > 1:
            yield f"fields.{ours}: another one has the same field"
        if each.get("owner", "latest") not in _OWNERS:
            yield f"fields.{ours}.owner: ours, theirs or latest"
        if not isinstance(each.get("type", ""), str):
            yield f"fields.{ours}.type: a type of field"
