"""What Mautic makes of one incoming field value: kept, changed on the way, silently dropped or refused."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from local.simulators.mautic.contact_fields import SimulatedField
from local.simulators.mautic.contacts.places import COUNTRIES, STATES


class Absent(Enum):
    """Values that are no value: `BLANK` can clear a field if asked to, `DROPPED` is never written."""

    BLANK = "blank"
    DROPPED = "dropped"


BLANK, DROPPED = Absent.BLANK, Absent.DROPPED
NOT_VALID = "This value is not valid."
NOT_AN_ADDRESS_CHARACTER = re.compile(r"[^A-Za-z0-9!#$%&'*+\-=?^_`{|}~@.\[\]]")
# recorded: 250_batch_new_ascii_in_addresses
NOT_ALLOWED_IN_ADDRESSES = re.compile(r"[%&*^]")
ENTITY = re.compile(r"&(#\d+|#[xX][0-9A-Fa-f]+|[A-Za-z][A-Za-z0-9]*);")
ADDRESS = re.compile(r"[^@\s.]+(\.[^@\s.]+)*@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,}")
ISO_MOMENT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?"
)
US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off"}


class RefusedError(Exception):
    """One value that rejects its whole item with a 400."""


def clean(item: SimulatedField, value: Any, *, exact: bool) -> Any:
    """The value to store, BLANK or DROPPED; `exact` is PUT, the only way to write a zero.

    Everything but PUT loses what PHP calls empty (recorded: 34_value_patch_zero_numbers, _patch_fraction_below_1,
    _int_for_text, _uid_zeroish); booleans are safe.
    """
    if isinstance(value, list | dict):
        raise RefusedError(NOT_VALID)
    if value is None or (isinstance(value, str) and not value.strip()):
        # recorded: 34_value_patch_empty_overwrite keeps the datetime that 34_value_patch_null_overwrite clears
        return DROPPED if value is not None and item.type in {"date", "datetime"} and not exact else BLANK
    cleaner = CLEANERS.get(item.type, _text)
    result = cleaner(item, value)
    if not exact and item.type != "boolean" and _empty_to_php(item, result, value):
        return DROPPED
    return result


def _empty_to_php(item: SimulatedField, result: Any, value: Any) -> bool:
    if item.type == "number":
        return int(float(value)) == 0
    return str(result) == "0"


def _number(item: SimulatedField, value: Any) -> Any:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise RefusedError(NOT_VALID) from error
    if number != number or number in (float("inf"), float("-inf")):
        raise RefusedError(NOT_VALID)
    # recorded: 34_value_num_round (3.7 -> 3 without a scale, 10.129 -> 10.13 with scale 2)
    return round(number, item.scale) if item.scale else int(number)


def _boolean(item: SimulatedField, value: Any) -> Any:
    """Stored as 1 or 0 (recorded: 34_value_patch_bool_*)."""
    word = str(int(value) if isinstance(value, bool) else value).strip().casefold()
    if word in TRUE_WORDS or word == str(item.properties.get("yes", "")).casefold():
        return 1
    if word in FALSE_WORDS or word == str(item.properties.get("no", "")).casefold():
        return 0
    raise RefusedError(NOT_VALID)


def _choice(item: SimulatedField, value: Any) -> Any:
    """The value, never the label (recorded: 34_value_sel_label)."""
    if str(value) not in item.choices:
        raise RefusedError(NOT_VALID)
    return str(value)


def _country(item: SimulatedField, value: Any) -> Any:
    del item
    return _from_list(str(value), COUNTRIES)


def _region(item: SimulatedField, value: Any) -> Any:
    del item
    return _from_list(str(value), STATES)


def _from_list(value: str, known: frozenset[str]) -> str:
    if value not in known:
        raise RefusedError(NOT_VALID)
    return value


def _email(item: SimulatedField, value: Any) -> Any:
    """Non-ASCII is stripped without a word (recorded: 34_value_email_unicode)."""
    address = NOT_AN_ADDRESS_CHARACTER.sub("", str(value))
    if not address:
        return BLANK
    if "<" in str(value):
        # What it takes for a tag goes first (recorded: `ch8<x@chars.example.com` becomes `ch8hars.example.com`).
        address = NOT_AN_ADDRESS_CHARACTER.sub("", re.sub(r"<.{0,3}", "", str(value)))
    if NOT_ALLOWED_IN_ADDRESSES.search(address):
        raise RefusedError(f"{address} has characters not allowed in email addresses.")
    if "[" in address or "]" in address or not ADDRESS.fullmatch(address) or len(address.partition("@")[0]) > 64:
        raise RefusedError(f"{address} is invalid.")
    if len(address) > item.limit:
        raise RefusedError(_too_long(item.limit))
    return address


def _text(item: SimulatedField, value: Any) -> Any:
    """HTML goes, ends are trimmed, and whatever looks like a tag goes too (recorded: 34_value_html_text)."""
    text = "1" if value is True else "" if value is False else str(value)
    # Entities are decoded first, and a byte order mark goes (recorded: 274_batch_new_entities).
    decoded = ENTITY.sub(lambda found: html.unescape(found[0]), text)
    text = re.sub(r"<[^>]*(>|$)", "", decoded).replace("\ufeff", "").strip()
    # Both limits hold, and the later check is the one reported (recorded: 34_value_long_firstname_192).
    for limit in (191, item.limit):
        if len(text) > limit:
            raise RefusedError(_too_long(limit))
    return text or BLANK


def _too_long(limit: int) -> str:
    return f"This value is too long. It should have {limit} characters or less."


def _datetime(item: SimulatedField, value: Any) -> Any:
    """UTC to the minute; what cannot be read is ignored (recorded: 34_value_dt_*)."""
    del item
    moment = _moment(value)
    return moment.strftime("%Y-%m-%d %H:%M:00") if moment else DROPPED


def _date(item: SimulatedField, value: Any) -> Any:
    """The day in UTC (recorded: 34_value_date_iso)."""
    del item
    moment = _moment(value)
    return moment.strftime("%Y-%m-%d") if moment else DROPPED


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    text = value.strip()
    if american := US_DATE.fullmatch(text):
        month, day, year = (int(part) for part in american.groups())
        return _rolled(year, month, day, 0, 0) if month <= 12 and day <= 31 else None
    found = ISO_MOMENT.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute = (int(part or 0) for part in found.groups()[:5])
    moment = _rolled(year, month, day, hour, minute)
    return moment - _offset(found.group(7)) if moment else None


def _rolled(year: int, month: int, day: int, hour: int, minute: int) -> datetime | None:
    """PHP lets 31 February run over into March (recorded: 34_value_dt_impossible)."""
    if not (year and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60):
        return None
    return datetime(year, month, 1, hour, minute, tzinfo=UTC) + timedelta(days=day - 1)


def _offset(zone: str | None) -> timedelta:
    if not zone or zone == "Z":
        return timedelta()
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    return timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)


CLEANERS = {
    "number": _number,
    "boolean": _boolean,
    "select": _choice,
    "country": _country,
    "region": _region,
    "email": _email,
    "datetime": _datetime,
    "date": _date,
}
