"""What is cut out of a delivery when one of several persons in it is erased."""

import base64
import json
import time
from typing import Any
from uuid import UUID

import pytest

from crm_relay.consent.person import Person
from crm_relay.webhooks.redact import NOTHING_LEFT, marks_in, marks_in_message, message_without, without
from tests.support.customers.mautic_hooks import all_recorded, delivery, opened, subscription

ADA = "ada@example.com"
ID = UUID("6a0f6f3e-0000-4000-8000-00000000000a")
PERSON = Person(frozenset({ADA}), frozenset({"+61491570156"}), frozenset({ID}), frozenset({88}))


def cut(content: Any) -> Any:
    redacted = without(json.dumps(content), PERSON)
    return None if redacted is None else json.loads(redacted)


def test_only_the_persons_events_go() -> None:
    mine, theirs = opened(contact_id=1, email="Ada@Example.com"), opened(contact_id=2, email="bo@example.com")

    assert cut({"mautic.email_on_open": [mine, theirs]}) == {"mautic.email_on_open": [theirs]}
    assert cut({"mautic.email_on_open": {"0": mine, "1": theirs}}) == {"mautic.email_on_open": {"1": theirs}}
    assert cut({"mautic.email_on_open": [theirs], "x": mine}) == {"mautic.email_on_open": [theirs]}
    assert cut({"mautic.email_on_open": [theirs]}) is None


@pytest.mark.parametrize(
    "content",
    [
        {"mautic.email_on_open": [{"lead": {"email": ADA}}], "timestamp": "2026-01-01"},
        {"mautic.email_on_open": {"lead": {"id": 88}}},
        {"mautic.lead_post_delete": [{"id": 88, "contact": {"id": None}}]},
        {"mautic.page_on_hit": [{"hit": {"url": "https://x.example/?mail=ada%40example.com&b=1"}}]},
        {"mautic.form_on_submit": [{"text": "write to Ada <ADA@EXAMPLE.COM>."}]},
        {"mautic.sms_on_send": [{"contact": {"fields": {"supabase_id": str(ID).upper()}}}]},
        {"mautic.sms_on_send": [{"contact": {"mobile": "+61 491 570 156"}}]},
        [ADA],
        ADA,
    ],
)
def test_a_delivery_of_nobody_else_is_emptied(content: Any) -> None:
    assert without(json.dumps(content), PERSON) == NOTHING_LEFT


@pytest.mark.parametrize(
    "content",
    [
        {"mautic.email_on_open": [{"lead": {"email": "nada@example.com"}}]},
        {"mautic.email_on_open": [{"lead": {"email": "ada@example.com.au"}}]},
        {"mautic.email_on_open": [{"lead": {"id": 1, "email": "bo@example.com"}, "email": {"id": 88}, "id": 88}]},
        {"mautic.sms_on_send": [{"contact": {"email": "bo@example.com", "mobile": "+61491570156"}}]},
        {},
        [],
    ],
)
def test_what_belongs_to_somebody_else_stays_as_it_is(content: Any) -> None:
    assert cut(content) is None


def test_text_that_is_no_json_is_judged_as_a_whole() -> None:
    assert without(f"not json {ADA}", PERSON) == NOTHING_LEFT
    assert without("not json", PERSON) is None


def test_a_message_gets_the_identity_of_what_is_left() -> None:
    body = delivery(email_on_open=[opened(email=ADA), opened(contact_id=2, email="bo@example.com")])
    message = {"source": "mautic", "dedupe_key": "old", "body_base64": base64.b64encode(body).decode()}

    redacted = json.loads(message_without(json.dumps(message), PERSON) or "")

    assert redacted["source"] == "mautic"
    assert redacted["dedupe_key"] != "old"
    assert marks_in_message(json.dumps(redacted)) == marks_in(base64.b64decode(redacted["body_base64"]).decode())
    assert ADA in marks_in_message(json.dumps(message))
    assert ADA not in marks_in_message(json.dumps(redacted))


@pytest.mark.parametrize("text", ["no json", "[]", '{"body_base64": "%%%"}', '{"body_base64": "/w=="}', '{"a": 1}'])
def test_a_message_that_is_none_is_left_as_it_is(text: str) -> None:
    assert message_without(text, PERSON) is None


def test_addresses_are_found_in_every_recorded_delivery() -> None:
    assert sum(any("@" in mark for mark in marks_in(hook.body.decode())) for hook in all_recorded()) > 10


def test_a_number_says_nothing_where_an_address_says_whose_event_it_is() -> None:
    with_address = subscription(contact_id=5, email="bo@example.com", mobile="+61491570156")

    assert cut({"mautic.lead_channel_subscription_changed": [with_address]}) is None


@pytest.mark.parametrize("piece", ["x", "@", "a@", "a@b ", "%40", "a-", "[", '{"a":'])
def test_hostile_megabytes_are_read_in_a_moment(piece: str) -> None:
    text = piece * (2_000_000 // len(piece))
    begun = time.monotonic()

    marks_in(text)
    marks_in(json.dumps({"x": text}))

    assert time.monotonic() - begun < 20
