"""One address, however it is written."""

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_relay.consent.address import normalise, normalise_phone

LETTERS = st.sampled_from("abcxyz019äöüßéñçøåłžиванобългαβγδеж日本語中文한글עבריتعربด")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (" Ada@Example.COM\r\n", "ada@example.com"),
        ("ada@MÜNCHEN.example.com", "ada@xn--mnchen-3ya.example.com"),
        ("ada@xn--MNCHEN-3ya.example.com", "ada@xn--mnchen-3ya.example.com"),
        ("ada@mu\u0308nchen.example.com", "ada@xn--mnchen-3ya.example.com"),
        ("ada@例え。example。com", "ada@xn--r8jz45g.example.com"),
        ("ada＠ｅｘａｍｐｌｅ.com", "ada@example.com"),
        ("ÉVA@example.com", "éva@example.com"),
        ("a@b@example.com", "a@b@example.com"),
        ("nobody", None),
        ("", None),
        ("nul\0@example.com", None),
        ("half\ud800@example.com", None),
    ],
)
def test_every_way_of_writing_an_address_has_one_form(written: str, expected: str | None) -> None:
    assert normalise(written) == expected


def test_a_domain_longer_than_dns_allows_is_left_as_it_is() -> None:
    assert normalise("A@" + "Ü" * 300) == "a@" + "ü" * 300


@given(label=st.text(LETTERS, min_size=1, max_size=20))
def test_a_valid_domain_gets_the_form_that_the_idna_library_gives_it(label: str) -> None:
    try:
        expected = idna.encode(f"{label}.example.com", uts46=True).decode()
    except idna.IDNAError:
        return
    assert normalise(f"ada@{label.upper() if 'ß' not in label else label}.example.com") == f"ada@{expected}"


@given(address=st.text())
def test_normalising_twice_changes_nothing(address: str) -> None:
    once = normalise(address)
    assert once is None or normalise(once) == once


@pytest.mark.parametrize(
    ("written", "expected"),
    [("+49 (30) 901-820", "+4930901820"), ("030 901820", None), ("+0301", None), ("ada@example.com", None)],
)
def test_a_phone_number_is_filed_in_its_international_form(written: str, expected: str | None) -> None:
    assert normalise_phone(written) == expected
