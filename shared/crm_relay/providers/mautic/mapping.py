"""What Mautic takes in its contact fields, as a table: kinds, limits, and what each kind does to a value.

Every rule was recorded against a Mautic 5.1.1. A value that Mautic would silently drop, cut or mangle never goes out as
it is: it is written in a form that arrives, or left out and named.
"""

import html
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext

from crm_relay.providers.mautic.places.countries import country_code, country_name
from crm_relay.providers.mautic.places.states import state_name

TEXT_LIMIT = 64
"""charLengthLimit of a text field unless an administrator raised it; one character more and the item is refused."""

MAPPING_VERSION = "2"
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
    below_one: float | None = None
    is_unknown: bool = False


def write_fields(values: Mapping[str, object]) -> MappedContact:
    """The values, by Mautic alias, in the form in which Mautic stores them. Raises KeyError for an unknown alias.

    A value of which Mautic knows no spelling is left out of the fields: what stands there is not emptied.
    """
    named = {**values, **_named_state(values)}
    written = {alias: _WRITERS[FIELD_KINDS[alias]](value) for alias, value in named.items()}
    return MappedContact(
        fields={alias: each.value for alias, each in written.items() if each.below_one is None and not each.is_unknown},
        left_out=tuple(alias for alias, each in written.items() if each.left_out),
        below_one={alias: each.below_one for alias, each in written.items() if each.below_one is not None},
    )


_ARRIVES = re.compile(r"[A-Za-z0-9!#$'+\-=?_`{|}~.]+@[A-Za-z0-9.-]*")


def address_to_write(written: str | None, address: str | None) -> str | None:
    """An address in a form that arrives as it is; None where Mautic would store another one or take none.

    It drops spaces, `"(),/:;<>\\` and everything beyond ASCII and answers 200, so that mail would go to somebody else;
    `%&*[]^` it refuses (250_batch_new_ascii_in_addresses). `written` as the CRM has it, `address` its normal form: the
    same mailbox without what was written around it, and with the domain in ASCII.
    """
    own = (written or "").strip()
    form = own if own.lower() == address else address
    return form if form is not None and _ARRIVES.fullmatch(form) else None


def same_value(shown: object, written: object) -> bool:
    """Whether what Mautic shows is what was written, in spite of its spellings.

    It shows booleans as 0 and 1, times in UTC without an offset, and nothing as null, 0 or "".
    """
    return _plain(shown) == _plain(written)


def same_field(alias: str, shown: object, written: object) -> bool:
    """The same of one field: a country has another name in another version of Mautic."""
    if alias == "country" and shown and written:
        return country_code(str(shown)) == country_code(str(written))
    return same_value(shown, written)


def _plain(value: object) -> str:
    if value in (None, "", "0", 0):
        return ""
    if isinstance(value, int | float):
        return f"{float(value):.10g}"
    return str(value).removesuffix("+00:00").replace("T", " ")


def _text(value: object) -> _Value:
    text = str(value).strip() if value is not None else ""
    kept = _as_stored(text)
    # A zero is dropped like the number: it would leave the old text standing.
    return _Value(None if kept in {"", "0"} else kept, left_out=kept != text or kept == "0")


_ENTITY = re.compile(r"&(#[0-9]+|#[xX][0-9A-Fa-f]+|[A-Za-z][A-Za-z0-9]*);")
# What it takes for a tag is dropped: the words arrive, the brackets do not. A byte order mark and controls vanish too.
_DROPPED = re.compile("[<>\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _as_stored(text: str) -> str:
    """What Mautic stores as it is: entities decoded, which it does itself (274_batch_new_entities), and no tags."""
    decoded = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    kept = _DROPPED.sub("", decoded).strip()[:TEXT_LIMIT].strip()
    # What was decoded or cut may be an entity again.
    return kept if kept == text else _as_stored(kept)


def _address(value: object) -> _Value:
    return _Value(str(value).strip() if value else None)


def _whole(value: object) -> _Value:
    return _number(value, places=0)


def _money(value: object) -> _Value:
    return _number(value, places=2)


def _number(value: object, *, places: int) -> _Value:
    # POST and PATCH drop every number whose integer part is 0 and answer 200. A zero goes out as "clear", which Mautic
    # shows as 0 or nothing; a fraction below 1 has to be written by a PUT afterwards.
    if value is None or not isinstance(value, int | float | Decimal):
        return _Value(None, left_out=value is not None)
    if not math.isfinite(value):
        return _Value(None, left_out=True)
    # As it rounds: half up, and down to the whole number where a field has no places (34_value_num_round).
    rounding = ROUND_HALF_UP if places else ROUND_DOWN
    number = float(_round_to(Decimal(str(value)), places, rounding))
    if math.trunc(number) == 0:
        return _Value(None, below_one=number or None)
    return _Value(int(number) if number.is_integer() else number)


def _round_to(number: Decimal, places: int, rounding: str) -> Decimal:
    """To so many digits behind the point, however many there are in front of it."""
    with localcontext() as context:
        context.prec = 400
        return number.quantize(Decimal(1).scaleb(-places), rounding=rounding)


def _boolean(value: object) -> _Value:
    return _Value(None if value is None else bool(value))


def _in_utc(moment: datetime) -> datetime | None:
    """None before the year 1000, which the column of MySQL cannot hold, and beyond what has a UTC time."""
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        return None
    return utc if utc.year >= _FIRST_YEAR else None


_FIRST_YEAR = 1000


def _minute(value: object) -> _Value:
    # Seconds are dropped there; other forms of time are ignored or read as another day.
    if not isinstance(value, datetime):
        return _Value(None, left_out=value is not None)
    moment = _in_utc(value)
    return _Value(moment and moment.replace(second=0, microsecond=0).isoformat(), left_out=moment is None)


def _day(value: object) -> _Value:
    # A time with an offset would shift the day.
    if isinstance(value, datetime):
        moment = _in_utc(value)
        return _Value(moment and moment.date().isoformat(), left_out=moment is None)
    return _Value(value.isoformat() if isinstance(value, date) else None, left_out=not isinstance(value, date | None))


def _country(value: object) -> _Value:
    text = str(value or "").strip()
    name = country_name(text)
    is_unknown = bool(text) and name is None
    return _Value(name, left_out=is_unknown, is_unknown=is_unknown)


def _named_state(values: Mapping[str, object]) -> dict[str, object]:
    """The state by its name, where its country is one whose states are written by code too."""
    state, country = values.get("state"), str(values.get("country") or "").strip()
    if not isinstance(state, str):
        return {}
    code = country_code(country)
    # Of a country that nobody knows the states are not known either.
    return {} if country and code is None else {"state": state_name(state, code)}


_WRITERS: dict[str, Callable[[object], _Value]] = {
    "text": _text,
    "address": _address,
    "whole": _whole,
    "money": _money,
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
    "lead_score": "whole",
    "total_orders": "whole",
    "total_spent": "money",
    "last_order_date": "minute",
    "last_event_name": "text",
    "preferred_venue": "text",
    "marketing_opt_in": "boolean",
    "customer_since": "day",
}
"""Mautic alias -> kind, for the core fields that are written and the custom fields of the document."""
