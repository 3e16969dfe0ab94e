"""What Mautic takes in its contact fields, as a table: kinds, limits, and what each kind does to a value.

Every rule was recorded against a Mautic 5.1.1. A value that Mautic would silently drop, cut or mangle never goes out as
it is: it is written in a form that arrives, or left out and named.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from crm_relay.providers.mautic.countries import country_name

TEXT_LIMIT = 64
"""charLengthLimit of a text field unless an administrator raised it; one character more and the item is refused."""

MAPPING_VERSION = "1"
"""Raised whenever a rule here or the field map changes, so that every contact is written again once."""


@dataclass(frozen=True)
class MappedContact:
    """`fields` as they go out (None clears a field); `left_out` names fields that were cut or dropped.

    `below_one` holds the numbers between -1 and 1 that only a PUT can write; they are not among the fields, so that one
    that stands in Mautic already stays.
    """

    fields: dict[str, object]
    left_out: tuple[str, ...]
    below_one: dict[str, float]


@dataclass(frozen=True)
class _Value:
    value: object
    left_out: bool = False
    below_one: bool = False


def write_fields(values: Mapping[str, object]) -> MappedContact:
    """The values, by Mautic alias, in the form in which Mautic stores them. Raises KeyError for an unknown alias."""
    written = {alias: _WRITERS[FIELD_KINDS[alias]](value) for alias, value in values.items()}
    return MappedContact(
        fields={alias: each.value for alias, each in written.items() if not each.below_one},
        left_out=tuple(alias for alias, each in written.items() if each.left_out),
        below_one={alias: float(str(values[alias])) for alias, each in written.items() if each.below_one},
    )


def is_accepted_address(address: str) -> bool:
    """False where Mautic would drop characters: it strips everything that is not ASCII and answers 200."""
    return address.isascii() and "@" in address


def same_value(shown: object, written: object) -> bool:
    """Whether what Mautic shows is what was written, in spite of its spellings.

    It shows booleans as 0 and 1, times in UTC without an offset, and nothing as null, 0 or "".
    """
    return _plain(shown) == _plain(written)


def _plain(value: object) -> str:
    if value in (None, "", "0", 0):
        return ""
    if isinstance(value, int | float):
        return f"{float(value):.10g}"
    return str(value).removesuffix("+00:00").replace("T", " ")


def _text(value: object) -> _Value:
    text = str(value).strip() if value is not None else ""
    if text == "0":
        # Dropped like the number: it would leave the old text standing.
        return _Value(None, left_out=True)
    # Mautic takes what stands between angle brackets for a tag and drops it: the words arrive, the brackets do not.
    kept = text.replace("<", "").replace(">", "")[:TEXT_LIMIT]
    return _Value(kept or None, left_out=kept != text)


def _address(value: object) -> _Value:
    return _Value(str(value).strip() if value else None)


def _number(value: object) -> _Value:
    # POST and PATCH drop every number whose integer part is 0 and answer 200. A zero goes out as "clear", which Mautic
    # shows as 0 or nothing; a fraction below 1 has to be written by a PUT afterwards.
    if value is None or not isinstance(value, int | float | Decimal):
        return _Value(None, left_out=value is not None)
    number = float(value)
    if not math.isfinite(number):
        return _Value(None, left_out=True)
    if math.trunc(number) == 0:
        return _Value(None, below_one=number != 0)
    return _Value(int(number) if number.is_integer() else number)


def _boolean(value: object) -> _Value:
    return _Value(None if value is None else bool(value))


def _minute(value: object) -> _Value:
    # Seconds are dropped there; other forms of time are ignored or read as another day.
    if not isinstance(value, datetime):
        return _Value(None, left_out=value is not None)
    return _Value(value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:00+00:00"))


def _day(value: object) -> _Value:
    # A time with an offset would shift the day.
    if isinstance(value, datetime):
        value = value.astimezone(UTC).date()
    return _Value(value.isoformat() if isinstance(value, date) else None, left_out=not isinstance(value, date | None))


def _country(value: object) -> _Value:
    text = str(value or "").strip()
    name = country_name(text)
    return _Value(name, left_out=bool(text) and name is None)


_WRITERS: dict[str, Callable[[object], _Value]] = {
    "text": _text,
    "address": _address,
    "number": _number,
    "boolean": _boolean,
    "minute": _minute,
    "day": _day,
    "country": _country,
}

FIELD_KINDS: dict[str, str] = {
    "email": "address",
    "firstname": "text",
    "lastname": "text",
    "mobile": "text",
    "phone": "text",
    "address1": "text",
    "address2": "text",
    "city": "text",
    "state": "text",
    "zipcode": "text",
    "country": "country",
    "supabase_id": "text",
    "customer_segment": "text",
    "lead_score": "number",
    "total_orders": "number",
    "total_spent": "number",
    "last_order_date": "minute",
    "last_event_name": "text",
    "preferred_venue": "text",
    "marketing_opt_in": "boolean",
    "customer_since": "day",
}
"""Mautic alias -> kind, for the core fields that are written and the custom fields of the document."""
