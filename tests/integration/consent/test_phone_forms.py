"""Python and SQL read a number alike, as libphonenumber does, and former forms still mute."""

import phonenumbers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_relay.consent.address import normalise_phone
from crm_relay.platform.database import Database
from crm_relay.platform.migrations import migrate, read_migrations
from crm_relay.platform.sql import Json, Query
from crm_relay.rules.addresses.phones import POSSIBLE_LENGTHS, problem_of_number
from tests.support.platform.rows import one, rows_of
from tests.support.source_tree import ROOT

ALL = read_migrations(ROOT / "migrations")
TYPES = (
    phonenumbers.PhoneNumberType.FIXED_LINE,
    phonenumbers.PhoneNumberType.MOBILE,
    phonenumbers.PhoneNumberType.VOIP,
)
FORMS = (
    phonenumbers.PhoneNumberFormat.E164,
    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    phonenumbers.PhoneNumberFormat.RFC3966,
)
IN_SQL = Query.parse(
    "forms", "reads numbers", "select n as number, normalise_phone(n) as form from jsonb_array_elements_text(:all) as n"
)
NOISE = st.sampled_from([*"+(). -/0123456789x8", "\u00a0", "\u202a", "\u2011", "\u200b", "tel:", "\uff11", "\u0661"])


def examples() -> list[tuple[str, str]]:
    """A number as people write it, and in E.164; with the zero that a country drops where it has one."""
    found = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
        code = phonenumbers.country_code_for_region(region)
        for kind in TYPES:
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None:
                continue
            plain = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            found += [(phonenumbers.format_number(number, form), plain) for form in FORMS]
            if metadata is not None and metadata.national_prefix == "0" and region != "CO":
                own = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
                found += [(f"+{code} (0) {plain[len(str(code)) + 1 :]}", plain)]
                # Mobile phones of Argentina have a 15 inside the country, and a 9 in front of it abroad.
                is_plain = own.startswith("0") and own[1:2].isdigit() and region != "AR"
                found += [(f"+{code} {own}", plain)] if is_plain else []
    return found


def forms_in_sql(database: Database, numbers: list[str]) -> dict[str, str | None]:
    return {row["number"]: row["form"] for row in database.run(IN_SQL, all=Json(numbers))}


def test_every_countrys_numbers_have_the_form_that_libphonenumber_gives_them(database: Database) -> None:
    given_and_right = examples()
    assert len(given_and_right) > 2000
    assert [written for written, right in given_and_right if normalise_phone(written) != right] == []
    in_sql = forms_in_sql(database, [written for written, _ in given_and_right])
    assert [written for written, right in given_and_right if in_sql[written] != right] == []


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("+49 (0)176 11111111", "+4917611111111"),
        ("+44 (0)7911 123456", "+447911123456"),
        ("+61 0412 345 678", "+61412345678"),
        ("+39 06 1234567", "+39061234567"),
        ("+7 8 (495) 123-45-67", "+74951234567"),
        ("+1 1 (415) 555-2671", "+14155552671"),
        ("+52 1 55 1234 5678", "+525512345678"),
        ("+36 06 30 123 4567", "+36301234567"),
        ("+375 8 029 491-19-11", "+375294911911"),
        ("tel:+49-176-11111111", "+4917611111111"),
        ("\u202a+49\u00a0176\u201111111111\u202c", "+4917611111111"),
        ("\uff0b\uff14\uff19 176 11111111", "+4917611111111"),
        ("+\u0669\u0666\u0666 50 123 4567", "+966501234567"),
        ("0176 11111111", None),
        ("0049 176 11111111", None),
        ("+49 176 11111111 x12", None),
        ("+49 176 11111111 / 12", "+491761111111112"),
        ("ada@example.com", None),
    ],
)
def test_a_number_has_one_form_here_and_there(database: Database, written: str, form: str | None) -> None:
    assert normalise_phone(written) == form
    assert forms_in_sql(database, [written])[written] == form


@given(numbers=st.lists(st.lists(NOISE, max_size=20).map("".join), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_has_the_same_form_here_and_there(database: Database, numbers: list[str]) -> None:
    assert forms_in_sql(database, numbers) == {number: normalise_phone(number) for number in numbers}


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("+4917611111111", None),
        ("+39061234567", None),
        ("+1415555", "has too few digits for its country"),
        ("+1415555267199", "has too many digits for its country"),
        ("+999123456789", "is of no country"),
    ],
)
def test_what_cannot_be_a_number_is_said(number: str, problem: str | None) -> None:
    assert problem_of_number(number) == problem


def test_a_database_of_before_finds_its_opt_outs_and_its_contacts_by_the_new_form(empty_database_url: str) -> None:
    older = Database(empty_database_url)
    migrate(older, [each for each in ALL if each.version < "20261130004702"])
    older.run_script(
        """insert into consent_events (channel, address, kind, source, source_event, occurred_at) values
               ('sms', '+2540712345678', 'opt_out', 'twilio', 'e1', '2026-03-01T12:00Z'),
               ('sms', '+254712345678', 'opt_out', 'twilio', 'e1', '2026-03-01T12:00Z'),
               ('sms', '+4917611111111', 'opt_out', 'twilio', 'e2', '2026-03-01T12:00Z');
           insert into contacts (email, phone) values ('ada@example.com', '+254 (0)712 345 678')"""
    )
    assert migrate(older, ALL)
    assert len(rows_of(older, "select from consent_events")) == 3
    said = "select suppressed_by from suppression(default_org_id(), 'sms', '+254712345678')"
    assert one(older, said)["suppressed_by"] == "opt_out"
    older.run_script("set enable_seqscan = off")
    assert len(rows_of(older, "select from contacts where normalise_phone(phone) = '+254712345678'")) == 1
    older.close()


def test_the_lengths_of_numbers_are_those_of_libphonenumber() -> None:
    known = {}
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        region = phonenumbers.region_code_for_country_code(code)
        is_worldwide = region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY
        metadata = (
            phonenumbers.PhoneMetadata.metadata_for_nongeo_region(code)
            if is_worldwide
            else phonenumbers.PhoneMetadata.metadata_for_region(region)
        )
        assert metadata is not None
        assert metadata.general_desc is not None
        known[str(code)] = frozenset(metadata.general_desc.possible_length)
    assert known == POSSIBLE_LENGTHS
