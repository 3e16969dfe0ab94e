"""Numbers, money, dates and times as a reader writes them: by the locale, on the clock of the reader's zone.

The table has what CLDR says of 60 locales and nothing more; a library of locales is three times the size of the layer.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from crm_relay.notifications.models import ReaderLocale
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.zones import zone_named

TYPES = frozenset({"string", "number", "money", "date", "time", "datetime"})
"""What a template may declare a variable to be."""

_FALLBACK = "en-US"
_MOST_DIGITS = 18
_LAST_HOUR_OF_MORNING = 11
_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


def format_value(kind: str, value: object, reader: ReaderLocale, currency: object = None) -> str:
    """`value` as the reader writes a value of that type; blank for None.

    Numbers: int, float, Decimal or their text. Money: a number with `currency` (ISO 4217) or `{"amount", "currency"}`.
    Points in time: date, datetime (UTC where it has no offset) or ISO 8601. A text that is none of them was written by
    the caller for people and stays as it is: a notification with an unusual date is better than none. RejectedInput for
    a list, an object or a truth value in the place of one of them.
    """
    if isinstance(value, Mapping) and kind == "money":
        amount: Mapping[str, object] = value
        value, currency = amount.get("amount"), amount.get("currency", currency)
    if value is None:
        return ""
    if isinstance(value, bool | Mapping | list | tuple | set | frozenset | bytes) and not (
        kind == "string" and isinstance(value, bool)
    ):
        raise RejectedInput(f"not a {kind}")
    if kind in {"number", "money"}:
        return _written_number(value, reader, currency, is_money=kind == "money")
    return _written_moment(kind, value, reader) if kind in {"date", "time", "datetime"} else _written(value)


def locale_of(name: str) -> str:
    """The locale of the table that is nearest to `name` (BCP 47, or as POSIX has it): itself, its language, English."""
    known = _known()
    wanted = name.split(".")[0].replace("_", "-").strip().lower()
    language = wanted.partition("-")[0]
    return known.get(wanted) or known.get(language) or _FALLBACK


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _written_number(value: object, reader: ReaderLocale, currency: object, *, is_money: bool) -> str:
    number = _number(value)
    if number is None or (number and abs(number.adjusted()) > _MOST_DIGITS):
        return _written(value)
    style = _style(reader.locale)
    if not is_money:
        return _digits(number, style, None)
    code = currency.strip() if isinstance(currency, str) else ""
    written = _digits(number, style, _table()["digits"].get(code.upper(), 2))
    if not code:
        return written
    symbol = style["symbols"].get(code.upper(), code)
    # As CLDR spaces currencies: letters do not touch digits.
    beside = style["money"].startswith("{symbol}{number}") and symbol[-1].isalpha()
    shown = style["money"].format(symbol=symbol + _NO_BREAK_SPACE * beside, number=written.removeprefix("-"))
    return f"-{shown}" if written.startswith("-") else shown


def _number(value: object) -> Decimal | None:
    if not isinstance(value, int | float | Decimal | str):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _digits(number: Decimal, style: Mapping[str, Any], places: int | None) -> str:
    """`places` None: up to three, without zeros at the end."""
    rounded = number.quantize(Decimal(1).scaleb(-3 if places is None else -places), ROUND_HALF_EVEN)
    whole, _, fraction = f"{abs(rounded):f}".partition(".")
    fraction = fraction.rstrip("0") if places is None else fraction
    last, others = style["groups"]
    groups, rest = [whole[-last:]], whole[:-last]
    while rest:
        groups.insert(0, rest[-others:])
        rest = rest[:-others]
    written = style["group"].join(groups) + (style["decimal"] + fraction if fraction else "")
    return f"-{written}" if rounded < 0 else written


def _written_moment(kind: str, value: object, reader: ReaderLocale) -> str:
    given = _moment(value)
    if given is None or (kind == "time" and type(given) is date):
        return _written(value)
    suffix = ""
    if isinstance(given, datetime):
        try:
            given = given.astimezone(zone_named(reader.zone) or UTC)
        except OverflowError:
            return _written(value)
        # Nobody takes a time for one's own that says UTC.
        suffix = "" if isinstance(given.tzinfo, ZoneInfo) and reader.zone != "UTC" else " UTC"
    style = _style(reader.locale)
    fields: dict[str, str] = {}
    if isinstance(given, date):
        fields["date"] = style["date"].format(**_date_fields(given, style))
    if isinstance(given, datetime | time):
        fields["time"] = style["time"].format(**_time_fields(given, style)) + suffix
    if kind == "datetime" and len(fields) > 1:
        return str(style["both"].format(**fields))
    return fields.get(kind) or fields.get("date") or fields["time"]


def _moment(value: object) -> date | time | None:
    """A datetime always has an offset."""
    if isinstance(value, str):
        text = value.strip()
        for read in (date.fromisoformat, time.fromisoformat, datetime.fromisoformat):
            try:
                value = read(text)
                break
            except ValueError:
                continue
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return value if isinstance(value, date | time) else None


def _date_fields(day: date, style: Mapping[str, Any]) -> dict[str, str]:
    names = style.get("months")
    return {
        "y": f"{day.year}",
        "month": f"{day.month}",
        "month2": f"{day.month:02}",
        "name": names[day.month - 1] if names else "",
        "day": f"{day.day}",
        "day2": f"{day.day:02}",
    }


def _time_fields(clock: datetime | time, style: Mapping[str, Any]) -> dict[str, str]:
    morning, afternoon = style.get("periods", ("", ""))
    return {
        "hour": f"{clock.hour}",
        "hour2": f"{clock.hour:02}",
        "hour12": f"{clock.hour % 12 or 12}",
        "minute": f"{clock.minute:02}",
        "period": morning if clock.hour <= _LAST_HOUR_OF_MORNING else afternoon,
    }


@lru_cache(maxsize=256)
def _style(locale: str) -> Mapping[str, Any]:
    style: Mapping[str, Any] = _table()["locales"][locale_of(locale)]
    return style


@cache
def _known() -> dict[str, str]:
    """By lower case; a language stands for its locale that the table has first."""
    known: dict[str, str] = {}
    for name in _table()["locales"]:
        known[name.lower()] = name
        known.setdefault(name.partition("-")[0].lower(), name)
    return known


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return table
