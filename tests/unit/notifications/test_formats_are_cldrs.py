"""The table of formats says what Unicode CLDR says, as Babel reads it: the library is no part of the layer."""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import babel
import pytest
from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal

from crm_relay.notifications.content.formats import _table, format_value
from crm_relay.notifications.models import ReaderLocale

LOCALES = sorted(_table()["locales"])
ZONE = "Europe/Berlin"
# Babel writes no Swiss groups from a million on.
NUMBERS = [Decimal(number) for number in ("234567.5", "1234.25", "12", "-1234.5", "0.125")]
# A symbol of right-to-left letters, which Babel takes from another table.
ANOTHER_SYMBOL = {("ar", "KWD")}
# Parts of the day instead of AM and PM.
PARTS_OF_THE_DAY = {"zh-TW"}


def ours(kind: str, value: object, locale: str, currency: str | None = None) -> str:
    return format_value(kind, value, ReaderLocale(ZONE, locale), currency)


def theirs(locale: str) -> Locale:
    return Locale.parse(locale.replace("-", "_"))


def test_the_table_names_the_version_that_it_is_compared_with() -> None:
    assert f"Babel {babel.__version__.removesuffix('.0')};" in _table()["source"]
    assert len(LOCALES) >= 60


@pytest.mark.parametrize("locale", LOCALES)
def test_numbers(locale: str) -> None:
    for number in NUMBERS:
        assert ours("number", number, locale) == format_decimal(number, locale=theirs(locale))


@pytest.mark.parametrize("locale", LOCALES)
def test_money(locale: str) -> None:
    """But for the space that CLDR puts between a symbol of letters and the digits, which Babel leaves out."""
    for currency in ("USD", "EUR", "GBP", "JPY", "CHF", "KWD", "INR"):
        if (locale, currency) in ANOTHER_SYMBOL:
            continue
        expected = format_currency(Decimal(12500), currency, locale=theirs(locale))
        spaced = re.sub(r"^([^\W\d_]+\$?[^\W\d_]*)(?=\d)", "\\1\N{NO-BREAK SPACE}", expected)
        assert ours("money", Decimal(12500), locale, currency) in {expected, spaced}


@pytest.mark.parametrize("locale", LOCALES)
def test_dates(locale: str) -> None:
    for month in range(1, 13):
        day = date(2026, month, month + 3)
        assert ours("date", day, locale) == format_date(day, "medium", locale=theirs(locale))


@pytest.mark.parametrize("locale", sorted(set(LOCALES) - PARTS_OF_THE_DAY))
def test_times_alone_and_with_their_date(locale: str) -> None:
    for hour in (0, 9, 12, 13, 23):
        clock, moment = time(hour, 5), datetime(2026, 3, 9, hour, 5, tzinfo=UTC)
        assert ours("time", clock, locale) == format_time(clock, "short", locale=theirs(locale))
        there = moment.astimezone(ZoneInfo(ZONE))
        parts = (
            format_time(there, "short", tzinfo=ZoneInfo(ZONE), locale=theirs(locale)),
            format_date(there.date(), "medium", locale=theirs(locale)),
        )
        pattern = str(theirs(locale).datetime_formats["medium"])
        assert ours("datetime", moment, locale) == pattern.replace("{0}", parts[0]).replace("{1}", parts[1])
