"""One parser for every address field: the address alone comes out, or nothing, and never the text around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_relay.consent.address import normalise
from crm_relay.providers.bison.wire_webhook import ReplyPart
from crm_relay.providers.resend.wire import address_or_none
from crm_relay.rules.addresses.mailbox import mailbox_in, without_unseen

JANE = "jane@erased.example"
WRITTEN = [
    JANE,
    f"Doe, Jane <{JANE}>",
    f"{JANE} <{JANE}>",
    f"Jane @ Acme <{JANE}>",
    f"Jane <{JANE}> via list",
    f'"Doe, Jane" <{JANE}>',
    f"Jane <Old name> <{JANE}>",
    f"other@example.com <{JANE}>",
    f"Jane Doe {JANE}",
    f"{JANE} (Jane Doe)",
    f"<mailto:{JANE}>",
    f"mailto:{JANE}",
    f"{JANE},",
    f"; {JANE};",
    f"Jane <{JANE}",
    f"'{JANE}'",
    f"\u200b{JANE}\u200b",
    f"\ufeff{JANE}",
    "ja\u00adne@era\u034fsed.exa\ufe0fmple",
    "jane\u200c@erased.example",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_the_address_is_found_in_whatever_is_written_around_it(text: str) -> None:
    assert mailbox_in(text) == JANE
    assert address_or_none(text) == JANE
    assert ReplyPart.model_validate({"from_email_address": text}).from_address == JANE


@pytest.mark.parametrize(
    "text",
    [
        "o'brien@example.com",
        "'o'brien@example.com'",
        "Pat O'Brien o'brien@example.com",
        "O'Brien <o'brien@example.com>",
    ],
)
def test_an_apostrophe_belongs_to_the_address(text: str) -> None:
    assert mailbox_in(text) == "o'brien@example.com"


@pytest.mark.parametrize(
    "text", ["", "Jane Doe", "Jane @ Acme", "@", f"{JANE};o@example.com", "a@.", "a@b, c@d", "x" * 3000]
)
def test_where_there_is_not_one_nothing_comes_out(text: str) -> None:
    assert mailbox_in(text) is None
    assert address_or_none(text) is None


@given(text=st.text(st.sampled_from("ab@<>,;:\"'() .\u200b\u00e9"), max_size=60))
def test_what_comes_out_is_an_address_that_can_be_forgotten(text: str) -> None:
    found = mailbox_in(text)
    if found is not None:
        assert "@" in found
        assert not set(found) & set(" <>\u200b")
        assert mailbox_in(found) == found or normalise(found) is not None


def test_joiners_that_a_script_needs_stay() -> None:
    persian = "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc@example.com"
    assert mailbox_in(persian) == persian
    assert without_unseen("ada\u200c@example.com") == "ada@example.com"
    assert without_unseen("a\u034fda@exam\u200dple.com") == "ada@example.com"
