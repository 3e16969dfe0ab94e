"""What cannot be read is refused by the name of the field, and what can be read beside it is not lost."""

from datetime import UTC, datetime
from typing import Any

import pytest

from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.mautic import webhook
from crm_relay.providers.mautic.events import MauticDelivery, MauticEvent
from tests.support.customers.mautic_hooks import body_of, delivery, opened, subscription

NOW = datetime(2026, 11, 20, 13, tzinfo=UTC)


def parse(content: object) -> MauticDelivery:
    return webhook.parse(content if isinstance(content, bytes) else body_of(content), now=NOW)


def only(content: object) -> MauticEvent:
    (event,) = parse(content).events
    return event


def refusal(body: bytes) -> RejectedInput:
    with pytest.raises(RejectedInput) as refused:
        parse(body)
    assert refused.value.status == 400
    return refused.value


NOT_A_DELIVERY = {
    b"": "the body is not JSON",
    b"{": "the body is not JSON",
    b"\xff\xfe{}": "the body is not UTF-8",
    b"\xef\xbb\xbf{}": "the body is not JSON",
    b"[]": "the body is not a JSON object",
    b"null": "the body is not a JSON object",
    b'"text"': "the body is not a JSON object",
    b'{"a": NaN}': "the body is not JSON",
    b'{"a": 1e999}': "the body is not JSON",
    b'{"a": "\x00"}': "the body is not JSON",
    b'{"a":' + b"9" * 5000 + b"}": "the body is not JSON",
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000: "the body is nested too deeply",
    b'{"a":' + b"[" * 41 + b"]" * 41 + b"}": "the body is nested too deeply",
}


@pytest.mark.parametrize(("body", "message"), NOT_A_DELIVERY.items(), ids=range(len(NOT_A_DELIVERY)))
def test_what_is_no_json_object_is_refused(body: bytes, message: str) -> None:
    assert refusal(body).message == message


WRONG_TYPES: list[dict[str, Any]] = [
    {"mautic.email_on_open": "text"},
    {"mautic.email_on_open": None},
    {"mautic.email_on_open": [{"stat": 5}]},
    {"mautic.email_on_open": [{"stat": {"id": "eight"}}]},
    {"mautic.email_on_open": [{"stat": {"dateRead": "yesterday"}}]},
    {"mautic.email_on_open": [{"stat": {"dateRead": 1700000000}}]},
    {"mautic.email_on_open": [{"stat": {"lead": {"id": 2**31}}}]},
    {"mautic.page_on_hit": [[]]},
    {"mautic.lead_post_delete": [{"id": None}]},
    {"mautic.lead_channel_subscription_changed": [{"contact": {"id": 1}, "channel": "email"}]},
    {"mautic.email_on_click": [{"lead": "ada@example.com"}]},
    {"timestamp": "soon"},
]


@pytest.mark.parametrize("content", WRONG_TYPES, ids=range(len(WRONG_TYPES)))
def test_wrong_types_are_refused_by_the_name_of_the_field(content: dict[str, Any]) -> None:
    refused = refusal(body_of(content))
    assert refused.message == "the delivery cannot be read"
    assert refused.details
    for value in ("text", "eight", "yesterday", "soon", "ada@example.com", "1700000000"):
        assert value not in str(refused.details)


def test_an_event_that_cannot_be_read_does_not_take_an_unsubscribe_with_it() -> None:
    found = parse(
        {
            "mautic.email_on_open": [{"stat": 5}],
            "mautic.lead_channel_subscription_changed": [subscription()],
        }
    )
    assert [event.kind for event in found.events] == ["unsubscribe"]
    assert found.unreadable == 1


def test_php_writes_an_empty_object_as_a_list() -> None:
    event = opened()
    event["stat"]["email"], event["stat"]["lead"] = [], []
    found = only({"mautic.email_on_open": [event]})
    assert (found.contact_id, found.campaign_name, found.address) == (None, None, "hook.one@example.com")


@pytest.mark.parametrize(
    ("escaped", "read"),
    [
        (r"a\u0000b", "a\ufffdb"),
        (r"a\ud800b", "a\ufffdb"),
        (r"a\udc00\ud800b", "a\ufffd\ufffdb"),
        (r"a\ud83d\ude00b", "a\U0001f600b"),
        (r"a\\u0000b", r"a\u0000b"),
        (r"\\\u0000", "\\\ufffd"),
        (r"\ud800\ud83d\ude00", "\ufffd\U0001f600"),
    ],
)
def test_characters_that_no_text_column_holds_are_replaced(escaped: str, read: str) -> None:
    body = delivery(email_on_open=[opened()]).replace(b'"Lab mail"', f'"{escaped}"'.encode())
    assert only(body).campaign_name == read


def test_an_address_longer_than_any_is_left_out() -> None:
    event = opened(email="a" * 5000 + "@example.com")
    assert only({"mautic.email_on_open": [event]}).address is None


@pytest.mark.parametrize("name", ["trackingHash", "openCount"])
def test_what_identifies_an_event_cannot_grow_without_end(name: str) -> None:
    event = opened()
    event["stat"][name] = "1" * 3000
    refusal(body_of({"mautic.email_on_open": [event]}))
