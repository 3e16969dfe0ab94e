"""Whom a delivery or a message speaks of, and what is left of one without a person."""

import base64
import json
import time
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm_relay.consent.person import Person
from crm_relay.sources.all_sources import REDACTORS
from crm_relay.webhooks.people.redact import (
    NOTHING_LEFT,
    emptied,
    marks_in,
    marks_in_json,
    marks_in_message,
    message_without,
)
from tests.support.customers.mautic_hooks import all_recorded, delivery, opened

ADA = "ada@example.com"
ID = UUID("6a0f6f3e-0000-4000-8000-00000000000a")
PERSON = Person(frozenset({ADA}), frozenset({"+61491570156"}), frozenset({ID}), frozenset({88}))


def test_text_that_is_no_json_is_judged_as_a_whole() -> None:
    assert emptied(f"not json {ADA}", PERSON) == NOTHING_LEFT
    assert emptied("not json", PERSON) is None


def test_a_message_gets_the_identity_of_what_is_left() -> None:
    body = delivery(email_on_open=[opened(email=ADA), opened(contact_id=2, email="bo@example.com")])
    message = {"source": "mautic", "dedupe_key": "old", "body_base64": base64.b64encode(body).decode()}

    redacted = json.loads(message_without(json.dumps(message), PERSON, REDACTORS) or "")

    assert redacted["source"] == "mautic"
    assert redacted["dedupe_key"] != "old"
    assert marks_in_message(json.dumps(redacted)) == marks_in(base64.b64decode(redacted["body_base64"]).decode())
    assert ADA in marks_in_message(json.dumps(message))
    assert ADA not in marks_in_message(json.dumps(redacted))


@pytest.mark.parametrize("text", ["no json", "[]", '{"body_base64": "%%%"}', '{"body_base64": "/w=="}', '{"a": 1}'])
def test_a_message_that_is_none_is_left_as_it_is(text: str) -> None:
    assert message_without(text, PERSON, REDACTORS) is None


def test_addresses_are_found_in_every_recorded_delivery() -> None:
    assert sum(any("@" in mark for mark in marks_in(hook.body.decode())) for hook in all_recorded()) > 10


def test_a_message_of_an_unknown_source_is_emptied() -> None:
    body = json.dumps({"a": [ADA, "bo@example.com"]}).encode()
    message = {"source": "hubspot", "body_base64": base64.b64encode(body).decode()}

    redacted = json.loads(message_without(json.dumps(message), PERSON, REDACTORS) or "")

    assert base64.b64decode(redacted["body_base64"]).decode() == NOTHING_LEFT


@pytest.mark.parametrize("body", [f"%%% {ADA}", base64.b64encode(f"\xff {ADA}".encode("latin-1")).decode()])
def test_a_message_whose_body_cannot_be_read_hides_nobody(body: str) -> None:
    text = json.dumps({"source": "mautic", "body_base64": body})

    redacted = message_without(text, PERSON, REDACTORS)

    assert ADA in marks_in_message(text)
    assert redacted is not None
    assert not marks_in_message(redacted)


_PIECES = st.sampled_from(
    (
        *(
            "ada@example.com",
            "Bo <bo@Example.com>",
            str(ID),
            str(ID).upper(),
            "@",
            "%40",
            ".",
            "-",
            "é@x.com",
            " ",
            "\0",
        ),
        *("\ud800", '"', "\\", "\n", "{", "[", ":", ",", "u", "n", "a", "1234-1234-1234-"),
    )
)
_TEXTS = st.lists(_PIECES, max_size=7).map("".join)
_CONTENTS = st.recursive(
    _TEXTS | st.none() | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(content=_CONTENTS, is_escaped=st.booleans())
@settings(max_examples=500)
def test_whatever_reading_all_of_it_finds_is_found_in_the_text_of_a_body(content: object, is_escaped: bool) -> None:
    text = json.dumps(content, ensure_ascii=is_escaped)
    assert marks_in_json(text) == marks_in(text)


_PIECES = st.text(st.sampled_from('"\\@%4 0{}[]:,a-'), max_size=12)


@given(before=_PIECES, after=_PIECES)
@example(before="", after="")
@example(before='"', after="@")
@settings(max_examples=500)
def test_a_body_that_is_no_json_is_read_to_its_end_and_named_people_are_found(before: str, after: str) -> None:
    assert ADA in marks_in_json(f"{before} {ADA} {after}")


@pytest.mark.parametrize("letter", ["@", "a", "-", "%", "."])
def test_letters_that_need_no_escape_may_have_one(letter: str) -> None:
    text = json.dumps([ADA, str(ID), "bo%40example.com"]).replace(letter, f"\\u00{ord(letter):02x}")
    assert marks_in_json(text) == {ADA, str(ID), "bo@example.com"}


def test_the_marks_of_every_recorded_delivery_are_found_in_its_text() -> None:
    for hook in all_recorded():
        assert marks_in_json(hook.body.decode()) == marks_in(hook.body.decode())


@pytest.mark.parametrize("piece", ["x", "@", "a@", "a@b ", "%40", "a-", "[", '{"a":', '\\"@', "-1234-1234-1234-"])
def test_hostile_megabytes_are_read_in_a_moment(piece: str) -> None:
    text = piece * (2_000_000 // len(piece))
    begun = time.monotonic()

    marks_in(text)
    marks_in(json.dumps({"x": text}))
    marks_in_json(json.dumps({"x": text}))

    assert time.monotonic() - begun < 20
