"""One address, however it is written."""

import bisect

import idna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from idna import uts46data

from crm_relay.consent.address import normalise, normalise_phone
from crm_relay.rules.addresses.mailbox import mailbox_in, without_unseen

ODD = "ae\u0301\u0627\u0645\u1680\u034f\u200c\u200d\u00ad@<>.,;' "
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


@given(
    address=st.text()
    | st.text(st.sampled_from("ae\u0301\u0627\u0645\u1680\u034f\u200c\u200d\u00ad@<>.,;' "), max_size=30)
)
@example("e\u034f\u0301@example.com")
@example("\u1680\u200c\u0628@example.com")
def test_normalising_twice_changes_nothing(address: str) -> None:
    once = normalise(address)
    assert once is None or normalise(once) == once


def test_what_uts_46_ignores_is_not_seen() -> None:
    """The library's table: the first column is where a range begins, 'I' is ignored."""
    ignored = [chr(code) for code in range(0xE1000) if uts46_status(code) == "I"]
    assert len(ignored) > 250
    assert [each for each in ignored if without_unseen(f"a{each}b") != "ab"] == []


def uts46_status(code: int) -> str:
    place = bisect.bisect_right(uts46data.uts46_starts, code) - 1
    return chr(uts46data.uts46_statuses[place])


PIECES = ["ada@example.com", "o'brien@example.com", "O'Brien", "<", ">", ",", ";", " ", "'", '"', "\u034f", "\u200c"]


@given(scheme=st.sampled_from(["", "mailto:"]), pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=6))
@example("", ["o'brien@example.com"])
@example("mailto:", ["'", "o'brien@example.com", "'"])
def test_the_ledger_and_every_other_reader_understand_the_same_person(scheme: str, pieces: list[str]) -> None:
    text = scheme + "".join(pieces)
    filed, read = normalise(text), mailbox_in(text)
    # Two addresses with a quotation mark between them are one that nobody has, in the ledger.
    if filed is not None and read is not None and '"' not in filed:
        assert normalise(read) == filed


@pytest.mark.parametrize(
    ("written", "expected"),
    [("+49 (30) 901-820", "+4930901820"), ("030 901820", None), ("+0301", None), ("ada@example.com", None)],
)
def test_a_phone_number_is_filed_in_its_international_form(written: str, expected: str | None) -> None:
    assert normalise_phone(written) == expected
