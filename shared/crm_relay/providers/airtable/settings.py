"""Settings of one Airtable connection: which table, and which of its fields is which of ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.connectors.contract import FieldRule

FREE_PLAN_CALLS = 1_000
"""A month and workspace; Team has 100,000: https://support.airtable.com/docs/managing-api-call-limits-in-airtable."""

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


def read_settings(settings: Mapping[str, Any]) -> AirtableSettings:
    """`base_id`, `table_id`, `fields`, and optionally `adds_choices` (false).

    `fields` is a list of `{"ours": "email", "theirs": "fld…", "owner": "latest", "type": "singleLineText"}`, where
    owner and type may be left out, or an object, our name to the field's id. Raises RejectedInput that names each
    setting that is missing or malformed.
    """
    problems: list[str] = []
    base_id = _id(settings, "base_id", "app", problems)
    table_id = _id(settings, "table_id", "tbl", problems)
    entries = _entries(settings.get("fields"), problems)
    rules = tuple(FieldRule(each["ours"], each["theirs"], each.get("owner", "latest")) for each in entries)
    if entries and not any(rule.ours == "email" for rule in rules):
        problems.append("fields: email has to be mapped, by which people are matched")
    for side in ("ours", "theirs"):
        names = [getattr(rule, side) for rule in rules]
        problems += [f"fields: {name} is mapped twice" for name in sorted({n for n in names if names.count(n) > 1})]
    adds_choices = settings.get("adds_choices", False)
    if not isinstance(adds_choices, bool):
        problems.append("adds_choices: true or false")
    if problems:
        raise RejectedInput("the settings of the Airtable connection cannot be used", status=422, details=problems)
    types = {each["ours"]: each["type"] for each in entries if isinstance(each.get("type"), str)}
    return AirtableSettings(base_id, table_id, rules, types, adds_choices)


def base_of(settings: Mapping[str, Any]) -> str | None:
    """The base that settings name, finished or not."""
    return base if isinstance(base := settings.get("base_id"), str) and is_id(base, "app") else None


def monthly_calls(settings: Mapping[str, Any]) -> int | None:
    """`monthly_calls`: so many requests a month may this connection make; null for no end, else as on the free plan."""
    calls = settings.get("monthly_calls", FREE_PLAN_CALLS)
    known = calls is None or (isinstance(calls, int) and not isinstance(calls, bool) and calls > 0)
    return calls if known else FREE_PLAN_CALLS


def is_id(text: object, kind: str) -> bool:
    """`app`, `tbl` or `fld` with letters and digits behind it."""
    return isinstance(text, str) and re.fullmatch(kind + r"[A-Za-z0-9]{1,40}", text) is not None


def _id(settings: Mapping[str, Any], name: str, kind: str, problems: list[str]) -> str:
    value = settings.get(name)
    if not is_id(value, kind):
        problems.append(f"{name}: {'missing' if value is None else f'an id begins with {kind}'}")
    return str(value)


def _entries(given: Any, problems: list[str]) -> list[dict[str, Any]]:
    if isinstance(given, Mapping):
        given = [{"ours": ours, "theirs": theirs} for ours, theirs in given.items()]
    if not isinstance(given, list) or not given:
        problems.append("fields: missing")
        return []
    return [each for number, each in enumerate(given, 1) if _is_entry(each, f"fields, entry {number}", problems)]


def _is_entry(entry: Any, where: str, problems: list[str]) -> bool:
    if not isinstance(entry, Mapping):
        problems.append(f"{where}: an object of ours, theirs and owner")
        return False
    found = []
    if not isinstance(entry.get("ours"), str) or not _OURS.fullmatch(entry["ours"]):
        found.append(f"{where}: ours is the name of a column")
    if not is_id(entry.get("theirs"), "fld"):
        found.append(f"{where}: theirs is the id of a field, fld…")
    if entry.get("owner", "latest") not in _OWNERS:
        found.append(f"{where}: owner is ours, theirs or latest")
    problems += found
    return not found
