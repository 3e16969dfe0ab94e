"""A notification leads to the application or to an allowed host, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_relay.notifications.content.links import LinkRules
from crm_relay.platform.errors import RejectedInput

RULES = LinkRules("https://crm.example.com/app", frozenset({"docs.example.com", "files.example.com:8443"}))


@pytest.mark.parametrize(
    "url",
    [
        "/", "/deals/1", "/deals?stage=won#top", "/a//b", "/%2F/x", "https://docs.example.com/a", "https://DOCS.example.com",
        "https://files.example.com:8443/x", "https://crm.example.com/deals/1",
    ],
)  # fmt: skip
def test_a_path_and_an_allowed_host_are_taken(url: str) -> None:
    assert RULES.check(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "", "deals/1", "//evil.example/x", "///evil.example", "/\\evil.example", "\\\\evil.example", "/a\\b",
        "/\t/evil.example",
        "\t//evil.example", "/a b", "/é", "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)",
        "java\nscript:alert(1)", "data:text/html,x", "vbscript:x", "http://docs.example.com/a", "https://evil.example/",
        "https://docs.example.com.evil.example/", "https://docs.example.com@evil.example/", "https://u:p@docs.example.com/",
        "https://docs.example.com:8443/", "https://docs.example.com:x/", "https:///docs.example.com",
        "https:docs.example.com",
        "https://[::1", "https://", "ftp://docs.example.com/", "mailto:a@example.com", "/" + "x" * 2000,
    ],
)  # fmt: skip
def test_every_other_address_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(RejectedInput) as error:
        RULES.check(url)
    assert len(url) < 8 or url not in error.value.message


def test_without_settings_only_paths_are_taken() -> None:
    assert LinkRules().check("/deals/1") == "/deals/1"
    with pytest.raises(RejectedInput):
        LinkRules().check("https://crm.example.com/")


def test_a_reader_outside_the_application_gets_the_whole_address() -> None:
    assert RULES.absolute("/deals/1") == "https://crm.example.com/app/deals/1"
    assert RULES.absolute("https://docs.example.com/a") == "https://docs.example.com/a"
    assert LinkRules().absolute("/deals/1") == "/deals/1"


@given(st.text(st.sampled_from("/\\:@.?#htpsjavcri %\t\nexample\N{FULLWIDTH SOLIDUS}"), max_size=30))
def test_what_is_taken_begins_with_one_slash_or_an_allowed_host(url: str) -> None:
    try:
        taken = RULES.check(url)
    except RejectedInput:
        return
    hosts = ("https://crm.example.com", "https://docs.example.com", "https://files.example.com:8443")
    assert taken.lower().startswith(hosts) or (taken.startswith("/") and not taken.startswith("//"))
