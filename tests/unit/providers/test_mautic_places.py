"""Countries and states arrive in Mautic whatever common English name or code the CRM has for them."""

import pytest

from crm_relay.providers.mautic.mapping import same_field, write_fields
from crm_relay.providers.mautic.places.countries import NAMES, country_code, country_name, next_country_name
from crm_relay.providers.mautic.places.states import state_name
from local.simulators.mautic.contacts.places import COUNTRIES, STATES

# Recorded lists have these; the rest of them has no code: former states, and what is no country.
NO_COUNTRY = {"Unknown", "Yugoslavia", "Tahiti"}


def test_every_name_that_mautic_has_is_known_under_itself() -> None:
    for name in COUNTRIES - NO_COUNTRY:
        code = country_code(name)
        assert code is not None, name
        assert name == NAMES[code][0], "another one first would cost a request more on the version that was recorded"


@pytest.mark.parametrize(
    ("written", "code"),
    [
        *(("PT", "PT"), ("prt", "PT"), (" portugal ", "PT"), ("CÔTE D’IVOIRE", "CI"), ("Cote d'Ivoire", "CI")),
        *(("Türkiye", "TR"), ("turkiye", "TR"), ("Turkey", "TR"), ("Swaziland", "SZ"), ("Czechia", "CZ")),
        *(("Myanmar (Burma)", "MM"), ("Congo - Kinshasa", "CD"), ("Zaire", "CD"), ("Bosnia & Herzegovina", "BA")),
        *(("USA", "US"), ("United States of America", "US"), ("UK", "GB"), ("GBR", "GB"), ("Viet Nam", "VN")),
        *(("Korea, Republic of", "KR"), ("Russian Federation", "RU"), ("Curacao", "CW"), ("Reunion", "RE")),
        *(("Isle of Man", "IM"), ("Kosovo", "XK"), ("Macedonia (FYROM)", "MK"), ("St. Lucia", "LC")),
    ],
)
def test_codes_and_common_names_mean_one_country(written: str, code: str) -> None:
    assert country_code(written) == code
    assert country_name(written) == NAMES[code][0]


def test_no_name_means_two_countries() -> None:
    spellings = [name for names in NAMES.values() for name in names]
    assert len(spellings) == len(set(spellings))
    assert all(country_code(name) == code for code, names in NAMES.items() for name in names)
    assert len({code for code in NAMES if country_code(code) == code}) == len(NAMES) >= 248


def test_a_refused_name_gives_way_to_that_of_another_version() -> None:
    assert (next_country_name("Turkey"), next_country_name("Türkiye")) == ("Türkiye", None)
    assert next_country_name("Narnia") is None
    assert same_field("country", "Türkiye", "Turkey")
    assert not same_field("country", "Togo", "Tonga")


@pytest.mark.parametrize(
    ("state", "country", "arrives"),
    [
        *(("TX", "US", "Texas"), ("texas", "USA", "Texas"), ("WA", "United States", "Washington")),
        *(
            ("WA", "Australia", "Western Australia"),
            ("nsw", "AU", "New South Wales"),
            ("NT", "AU", "Northern Territory"),
        ),
        *(("NT", "CA", "Northwest Territories"), ("Québec", "Canada", "Quebec"), ("Yukon", "CA", "Yukon Territory")),
        *(
            ("Texas", None, "Texas"),
            ("texas", "", "Texas"),
            ("WA", None, "WA"),
            ("Île-de-France", "FR", "Île-de-France"),
        ),
        *(("TX", "FR", "TX"), ("TX", "Narnia", "TX")),
    ],
)
def test_a_state_arrives_by_its_name(state: str, country: str | None, arrives: str) -> None:
    assert write_fields({"state": state, "country": country}).fields["state"] == arrives


def test_every_state_that_a_code_becomes_is_one_of_mautics() -> None:
    codes = {
        "US": "TX CA NY DC PR MP AE AA AP",
        "CA": "AB BC MB NB NL NT NS NU ON PE QC SK YT",
        "AU": "ACT NT NSW QLD SA TAS VIC WA",
    }
    assert {state_name(each, country) for country, each_of in codes.items() for each in each_of.split()} <= STATES


def test_a_country_that_nobody_knows_empties_nothing() -> None:
    unknown = write_fields({"country": "Narnia", "state": None})
    assert ("country" in unknown.fields, unknown.left_out) == (False, ("country",))
    assert write_fields({"country": ""}).fields == {"country": None}
