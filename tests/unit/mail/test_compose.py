"""A letter becomes a mail that carries all that law and provider ask for, and nothing that a value smuggles in."""

import re
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_relay.mail.compose import compose, count_links
from crm_relay.mail.models import Identity, Letter, id_of_send
from crm_relay.platform.errors import RejectedInput

ORG, CAMPAIGN = UUID(int=1), UUID(int=2)
SENDER = Identity(UUID(int=3), "ada@send.example.com", "Ada", postal_address="1 High Street\nSpringfield")
LETTER = Letter(
    "enrollment:1:step:1", ORG, "Bob@Example.com", "bob@example.com", "Hello", "<p>Hi</p>", "Hi", campaign_id=CAMPAIGN
)
URL = "https://relay.example.com"


def test_the_mail_carries_both_headers_of_one_click_and_a_link_that_is_seen() -> None:
    mail = compose(LETTER, SENDER, URL)
    link = f"{URL}/unsubscribe/{mail.unsubscribe_token}"
    assert mail.payload["headers"] == {
        "List-Unsubscribe": f"<{link}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert link in mail.payload["html"]
    assert link in mail.payload["text"]
    assert "1 High Street" in mail.payload["html"]
    assert "Springfield" in mail.payload["text"]
    assert mail.payload["from"] == "Ada <ada@send.example.com>"
    assert mail.payload["to"] == ["Bob@Example.com"]


def test_tags_name_the_mail_and_its_campaign_in_ascii() -> None:
    mail = compose(LETTER, SENDER, URL)
    tags = {tag["name"]: tag["value"] for tag in mail.payload["tags"]}
    assert tags == {"send": str(id_of_send(LETTER.send_key)), "campaign": str(CAMPAIGN)}
    assert mail.id == id_of_send(LETTER.send_key)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,256}", text) for tag in tags.items() for text in tag)


def test_replies_come_back_under_a_token_where_there_is_a_domain_for_them() -> None:
    assert "reply_to" not in compose(LETTER, SENDER, URL).payload
    assert compose(LETTER, replace(SENDER, reply_to="desk@example.com"), URL).payload["reply_to"] == "desk@example.com"
    inbound = compose(LETTER, replace(SENDER, reply_to="desk@example.com", inbound_domain="in.example.com"), URL)
    assert inbound.payload["reply_to"] == f"Ada <reply+{inbound.reply_token}@in.example.com>"
    assert inbound.reply_token == inbound.reply_token.lower()


def test_no_two_mails_share_a_token() -> None:
    mails = [compose(LETTER, SENDER, URL) for _ in range(50)]
    assert len({mail.unsubscribe_token for mail in mails}) == len({mail.reply_token for mail in mails}) == 50


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"subject": "Hello\r\nBcc: eve@example.com"}, "subject"),
        ({"subject": "Hello\u2028Bcc: eve@example.com"}, "subject"),
        ({"subject": "  "}, "subject"),
        ({"html": "", "text": " "}, "body"),
        ({"html": "<p>\0</p>"}, "body"),
        ({"text": "\ud800"}, "body"),
        ({"recipient": "eve@example.com"}, "recipient"),
        ({"recipient": "bob@example.com, eve@example.com"}, "recipient"),
        ({"recipient": "bob@example.com\r\nBcc: eve@example.com", "address": "bob@example.com"}, "recipient"),
    ],
)
def test_what_could_break_out_or_reach_somebody_else_is_refused_without_being_quoted(
    changed: dict[str, Any], problem: str
) -> None:
    with pytest.raises(RejectedInput) as refused:
        compose(replace(LETTER, **changed), SENDER, URL)
    assert problem in refused.value.message
    assert "eve@example.com" not in str(refused.value)


@pytest.mark.parametrize("postal", [None, "", " \n "])
def test_nothing_is_composed_without_a_postal_address(postal: str | None) -> None:
    with pytest.raises(RejectedInput, match="postal address"):
        compose(LETTER, replace(SENDER, postal_address=postal), URL)


@given(name=st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_whatever_a_sender_is_called_its_header_is_one_line_with_one_address(name: str) -> None:
    sender = compose(LETTER, replace(SENDER, from_name=name, inbound_domain="in.example.com"), URL).payload
    for header in (sender["from"], sender["reply_to"]):
        assert header.isascii()
        assert not re.search(r"[\x00-\x1f\x7f]", header)
        # What is not quoted holds one address and nothing that would begin another.
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", header)
        assert len(re.findall("@", bare)) == 1
        assert "," not in bare


@pytest.mark.parametrize(
    ("html", "number"),
    [
        ("<p>none</p>", 0),
        ('<a href="https://example.com/a">a</a><a href="https://example.com/a">again</a>', 1),
        ("<A class=x HREF='https://example.com/a'>a</A> <a href=http://example.com/b>b</a>", 2),
        ('<a href="https://example.com/?a=1&amp;b=2">x</a><a href="https://example.com/?a=1&b=2">y</a>', 1),
        ('<a href="mailto:bob@example.com">x</a><a name="here">y</a><a data-href="https://example.com">z</a>', 0),
    ],
)
def test_links_are_counted_as_somebody_could_click_them(html: str, number: int) -> None:
    assert count_links(html) == number
    assert compose(replace(LETTER, html=html), SENDER, URL).links == number
