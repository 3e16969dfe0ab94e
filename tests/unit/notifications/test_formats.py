"""Numbers, money, dates and times as readers of several places write them; expectations are CLDR's."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_relay.notifications.content.formats import TYPES, _table, format_value, locale_of
from crm_relay.notifications.models import ReaderLocale
from crm_relay.platform.errors import RejectedInput

LOCALES = sorted(_table()["locales"])
NOON = datetime(2026, 11, 30, 12, 5, tzinfo=UTC)
NARROW, NO_BREAK = "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}"


def shown(kind: str, value: object, locale: str = "en-US", zone: str = "UTC", currency: object = None) -> str:
    return format_value(kind, value, ReaderLocale(zone, locale), currency)


@pytest.mark.parametrize(
    ("locale", "number"),
    [
        ("en-US", "1,234,567.5"),
        ("de", "1.234.567,5"),
        ("fr", f"1{NARROW}234{NARROW}567,5"),
        ("en-IN", "12,34,567.5"),
        ("de-CH", "1'234'567.5"),
        ("pl", f"1{NO_BREAK}234{NO_BREAK}567,5"),
    ],
)
def test_digits_are_grouped_as_the_reader_groups_them(locale: str, number: str) -> None:
    assert shown("number", Decimal("1234567.5"), locale).replace("’", "'") == number


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, "0"), (12, "12"), (999, "999"), (1000, "1,000"), (-1234.5, "-1,234.5"), ("42", "42"), (" 7.25 ", "7.25"),
        (Decimal("0.0004"), "0"), (-0.0001, "0"), (1.2345, "1.234"), (True, None), ("1e5", "100,000"),
    ],
)  # fmt: skip
def test_a_number_has_up_to_three_decimals(value: object, number: str | None) -> None:
    if number is None:
        with pytest.raises(RejectedInput):
            shown("number", value)
    else:
        assert shown("number", value) == number


@pytest.mark.parametrize(
    ("locale", "currency", "money"),
    [
        ("en-US", "USD", "$12,500.00"),
        ("en-US", "EUR", "€12,500.00"),
        ("en-US", "CHF", f"CHF{NO_BREAK}12,500.00"),
        ("de", "EUR", f"12.500,00{NO_BREAK}€"),
        ("fr", "EUR", f"12{NARROW}500,00{NO_BREAK}€"),
        ("ja", "JPY", "￥12,500"),
        ("en-US", "KWD", f"KWD{NO_BREAK}12,500.000"),
        ("en-US", "usd", "$12,500.00"),
        ("en-US", None, "12,500.00"),
        ("en-US", "", "12,500.00"),
    ],
)
def test_money_has_the_symbol_and_the_decimals_of_its_currency(locale: str, currency: str | None, money: str) -> None:
    assert shown("money", 12500, locale, currency=currency) == money
    assert shown("money", {"amount": "12500", "currency": currency}, locale) == money


def test_what_is_owed_has_its_sign_in_front() -> None:
    assert shown("money", -5, currency="USD") == "-$5.00"
    assert shown("money", {"currency": "USD"}) == ""


@pytest.mark.parametrize(
    ("locale", "day", "clock", "both"),
    [
        ("en-US", "Nov 30, 2026", f"7:05{NARROW}AM", f"Nov 30, 2026, 7:05{NARROW}AM"),
        ("en-GB", "30 Nov 2026", "07:05", "30 Nov 2026, 07:05"),
        ("de", "30.11.2026", "07:05", "30.11.2026, 07:05"),
        ("ja", "2026/11/30", "7:05", "2026/11/30 7:05"),
        ("pt-BR", "30 de nov. de 2026", "07:05", "30 de nov. de 2026 07:05"),
    ],
)
def test_a_point_in_time_is_on_the_readers_clock(locale: str, day: str, clock: str, both: str) -> None:
    for value in (NOON, NOON.isoformat(), NOON.replace(tzinfo=None), NOON.astimezone(timezone(timedelta(hours=9)))):
        written = [shown(kind, value, locale, "America/New_York") for kind in ("date", "time", "datetime")]
        assert [each.replace(NARROW, " ") for each in written] == [
            each.replace(NARROW, " ") for each in (day, clock, both)
        ]


def test_the_day_is_the_readers_too() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    days = [shown("date", late, "en-GB", zone) for zone in ("UTC", "Asia/Tokyo", "America/Los_Angeles")]
    assert days == ["30 Nov 2026", "1 Dec 2026", "30 Nov 2026"]


def test_a_time_that_is_nobodys_says_utc() -> None:
    assert shown("datetime", NOON, "en-GB") == "30 Nov 2026, 12:05 UTC"
    assert shown("datetime", NOON, "en-GB", "Mars/Olympus") == "30 Nov 2026, 12:05 UTC"
    assert shown("time", time(14, 30), "en-GB") == "14:30"


def test_a_day_without_a_time_has_no_zone() -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        for value in (date(2026, 11, 30), "2026-11-30"):
            assert shown("date", value, "en-GB", zone) == "30 Nov 2026"
            assert shown("datetime", value, "en-GB", zone) == "30 Nov 2026"


@pytest.mark.parametrize(
    ("clock", "written"), [("00:05", "12:05 AM"), ("11:59", "11:59 AM"), ("12:00", "12:00 PM"), ("23:00", "11:00 PM")]
)
def test_noon_is_pm_and_midnight_am(clock: str, written: str) -> None:
    assert shown("time", clock).replace(NARROW, " ") == written


@pytest.mark.parametrize("kind", ["number", "money", "date", "time", "datetime"])
def test_a_text_that_a_caller_wrote_for_people_stays(kind: str) -> None:
    for text in ("next Tuesday", "about 50k", "", "NaN", "Infinity"):
        assert shown(kind, text) == text


@pytest.mark.parametrize("kind", sorted(TYPES))
@pytest.mark.parametrize("value", [[1], {"a": 1}, (1,), b"x", {1}])
def test_a_list_or_an_object_is_no_value(kind: str, value: object) -> None:
    if kind == "money" and isinstance(value, dict):
        assert shown(kind, value) == ""
        return
    with pytest.raises(RejectedInput, match=kind):
        shown(kind, value)


@pytest.mark.parametrize("kind", sorted(TYPES - {"string"}))
def test_a_truth_value_is_no_number_and_no_date(kind: str) -> None:
    with pytest.raises(RejectedInput):
        shown(kind, True)


def test_a_string_is_what_it_is() -> None:
    assert [shown("string", value) for value in (None, "Ada", 7, True, False, date(2026, 1, 2))] == [
        "", "Ada", "7", "true", "false", "2026-01-02",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [Decimal("1e999999"), "1e400", 10**30, 1e-30, "-1e999999999"])
def test_a_number_beyond_reason_is_not_spelt_out(value: object) -> None:
    assert len(shown("number", value)) < 60
    assert len(shown("money", value, currency="EUR")) < 60


@pytest.mark.parametrize("value", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_a_time_at_the_end_of_the_calendar_is_written_all_the_same(value: datetime) -> None:
    for zone in ("Asia/Tokyo", "America/New_York"):
        assert shown("datetime", value, zone=zone)


@pytest.mark.parametrize(
    ("name", "locale"),
    [
        ("de-CH", "de-CH"), ("de_CH.UTF-8", "de-CH"), ("DE-ch", "de-CH"), ("de-LU", "de"), ("en", "en-US"),
        ("en-KE", "en-US"), ("fr", "fr"), ("tlh", "en-US"), ("", "en-US"), ("../../etc", "en-US"), ("zh", "zh-CN"),
        ("pt", "pt-BR"),
    ],
)  # fmt: skip
def test_an_unknown_place_has_the_ways_of_its_language(name: str, locale: str) -> None:
    assert locale_of(name) == locale


@pytest.mark.parametrize("locale", LOCALES)
def test_every_locale_writes_everything(locale: str) -> None:
    reader = ReaderLocale("Europe/Paris", locale)
    days = {format_value("date", date(2026, month, 9), reader) for month in range(1, 13)}
    clocks = {format_value("time", time(hour, 4), reader) for hour in range(24)}
    assert (len(days), len(clocks)) == (12, 24)
    assert all("2026" in day and "9" in day for day in days)
    assert "{" not in "".join(days | clocks)
    amounts = {format_value("money", 1234.5, reader, code) for code in ("USD", "EUR", "GBP", "JPY", "XAU")}
    assert len(amounts) == 5
    assert "{" not in "".join(amounts)


VALUES = st.one_of(
    st.none(),
    st.text(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.none() | st.timezones()),
)


@given(kind=st.sampled_from(sorted(TYPES)), value=VALUES, locale=st.sampled_from(LOCALES), zone=st.timezone_keys())
def test_no_value_of_a_caller_raises(kind: str, value: object, locale: str, zone: str) -> None:
    assert isinstance(shown(kind, value, locale, zone, "EUR"), str)
