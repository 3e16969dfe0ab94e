"""Finding contacts: paging, ordering, search commands and `where` conditions."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

from local.simulators.mautic.contacts import shapes
from local.simulators.mautic.state import MauticData, SimulatedContact
from local.simulators.mautic.wire import Json, MauticRequest, MauticResponse, iso

Test = Callable[[SimulatedContact], bool]


def list_contacts(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    """`total` is a string and no hit is `{}` (recorded: 35_contacts_list_past_end)."""
    query = request.query
    start, limit = int(query.get("start") or 0), int(query.get("limit") or 30)
    with mautic.lock:
        found = _ordered(mautic, query, _matching(mautic, query))
        page = found[start : start + limit]
        if query.get("minimal"):
            shown = {str(c.id): shapes.minimal(mautic, c) for c in page}
        else:
            shown = {str(c.id): shapes.full(mautic, c, listed=True) for c in page}
    return MauticResponse(200, {"total": str(len(found)), "contacts": shown})


def _matching(mautic: MauticData, query: dict[str, str]) -> list[SimulatedContact]:
    found = _candidates(mautic, query)
    for test in [*_search_tests(mautic, query.get("search", "")), *_where_tests(mautic, query)]:
        found = [contact for contact in found if test(contact)]
    return found


def _candidates(mautic: MauticData, query: dict[str, str]) -> list[SimulatedContact]:
    """A look-up by one unique value goes by the index, so that a large simulated Mautic stays quick."""
    alias, _, value = query.get("search", "").partition(":")
    plain = value and " " not in value and "%" not in value and '"' not in value
    if plain and alias in mautic.fields and mautic.fields[alias].unique:
        return [mautic.contacts[number] for number in sorted(mautic.holders(alias, value))]
    return list(mautic.contacts.values())


def _ordered(mautic: MauticData, query: dict[str, str], found: list[SimulatedContact]) -> list[SimulatedContact]:
    """Unordered means last active first: pages shift while people open mails (recorded: 122_trailing_ok)."""
    column = query.get("orderBy") or "last_active"
    downwards = query.get("orderByDir", "desc" if not query.get("orderBy") else "asc").casefold() == "desc"
    by_id = sorted(found, key=lambda c: c.id)
    if column == "id":
        return by_id[::-1] if downwards else by_id
    empty = [c for c in by_id if _column(mautic, c, column) is None]
    filled = [c for c in by_id if _column(mautic, c, column) is not None]
    filled.sort(key=lambda c: _comparable(_column(mautic, c, column)), reverse=downwards)
    return [*filled, *empty] if downwards else [*empty, *filled]


def _comparable(value: Any) -> tuple[int, float, str]:
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value).casefold())


def _column(mautic: MauticData, contact: SimulatedContact, name: str) -> Any:
    del mautic
    name = re.sub(r"(?<=[a-z])([A-Z])", lambda found: "_" + found.group(1).lower(), name).removeprefix("l.")
    own: Json = {
        "id": contact.id,
        "date_added": iso(contact.added),
        "date_modified": iso(contact.modified),
        "date_identified": iso(contact.identified),
        "last_active": iso(contact.last_active),
    }
    return own[name] if name in own else contact.fields.get(name)


def _search_tests(mautic: MauticData, search: str) -> list[Test]:
    try:
        words = shlex.split(search)
    except ValueError:
        words = search.split()
    return [_search_test(mautic, word) for word in words]


def _search_test(mautic: MauticData, word: str) -> Test:
    command, colon, value = word.partition(":")
    if not colon:
        return lambda c: any(word.casefold() in str(c.fields.get(a) or "").casefold() for a in FREE_TEXT)
    if command == "segment":
        wanted = {s.id for s in mautic.segments.values() if s.alias == value}
        return lambda c: bool(c.segments & wanted)
    if command == "ids":
        return lambda c: str(c.id) in value.split(",")
    if command == "is":
        return lambda c: c.anonymous == (value == "anonymous")
    if command in mautic.fields:
        pattern = re.compile(re.escape(value).replace("%", ".*"), re.IGNORECASE)
        return lambda c: bool(pattern.fullmatch(str(c.fields.get(command) or "")))
    # An unknown command is taken for text, which nobody carries (recorded: 73_contacts_search_dnc_any).
    return lambda _: False


FREE_TEXT = ("firstname", "lastname", "email", "company", "city", "state", "zipcode", "country")


def _where_tests(mautic: MauticData, query: dict[str, str]) -> list[Test]:
    rows: dict[str, dict[str, str]] = {}
    for key, value in query.items():
        if found := re.fullmatch(r"where\[(\d+)\]\[(col|expr|val)\]", key):
            rows.setdefault(found.group(1), {})[found.group(2)] = value
    return [_where_test(mautic, row) for row in rows.values()]


def _where_test(mautic: MauticData, row: dict[str, str]) -> Test:
    column, value = row.get("col", ""), row.get("val", "")
    compare = COMPARISONS.get(row.get("expr", "eq"), COMPARISONS["eq"])
    return lambda contact: compare(_column(mautic, contact, column), value)


def _weigh(held: Any, value: str) -> int:
    """Numbers as numbers, everything else as text; -1, 0 or 1."""
    try:
        left, right = _comparable(float(held)), _comparable(float(value))
    except (TypeError, ValueError):
        left, right = _comparable(str(held).replace("T", " ")[:19]), _comparable(value.replace("T", " ")[:19])
    return (left > right) - (left < right)


COMPARISONS: dict[str, Callable[[Any, str], bool]] = {
    "eq": lambda held, value: held is not None and _weigh(held, value) == 0,
    "neq": lambda held, value: held is not None and _weigh(held, value) != 0,
    "gt": lambda held, value: held is not None and _weigh(held, value) > 0,
    "gte": lambda held, value: held is not None and _weigh(held, value) >= 0,
    "lt": lambda held, value: held is not None and _weigh(held, value) < 0,
    "lte": lambda held, value: held is not None and _weigh(held, value) <= 0,
    "in": lambda held, value: str(held) in value.split(","),
    "like": lambda held, value: value.strip("%").casefold() in str(held or "").casefold(),
    "isNull": lambda held, _: held is None,
    "isNotNull": lambda held, _: held is not None,
}
