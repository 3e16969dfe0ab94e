"""What each source cuts out of its deliveries when one person is erased."""

import json
from typing import Any
from uuid import UUID

import pytest

from crm_relay.consent.person import Person
from crm_relay.sources.all_sources import REDACTORS
from crm_relay.webhooks.people.redact import NOTHING_LEFT, redact_stored
from tests.support.customers.mautic_hooks import opened, subscription

ADA = "ada@example.com"
ID = UUID("6a0f6f3e-0000-4000-8000-00000000000a")
PERSON = Person(frozenset({ADA}), frozenset({"+61491570156"}), frozenset({ID}), frozenset({88}))
BISON = {"event": {"type": "LEAD_REPLIED", "workspace_id": 17}}


def cut(content: Any, source: str = "mautic") -> Any:
    redacted = REDACTORS[source](json.dumps(content), PERSON)
    return None if redacted is None else json.loads(redacted)


# --- Mautic -----------------------------------------------------------------------------------------------------------


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
    assert REDACTORS["mautic"](json.dumps(content), PERSON) == NOTHING_LEFT


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


def test_a_number_says_nothing_where_an_address_says_whose_event_it_is() -> None:
    with_address = subscription(contact_id=5, email="bo@example.com", mobile="+61491570156")

    assert cut({"mautic.lead_channel_subscription_changed": [with_address]}) is None


# --- the others -------------------------------------------------------------------------------------------------------


def test_of_emailbisons_event_stays_what_makes_it_count() -> None:
    content = BISON | {"data": {"campaign_event": {"id": 7}, "lead": {"id": 1, "email": ADA}}}
    assert cut(content, "bison") == BISON | {"data": {"campaign_event": {"id": 7}}}
    assert cut(BISON | {"data": {"lead": {"id": 88, "email": "bo@example.com"}}}, "bison") is None
    assert cut({"what": [ADA]}, "bison") == {}
    assert cut({"lead": {"id": 88}}, "bison") is None


@pytest.mark.parametrize("source", ["resend", "unsubscribe"])
def test_a_delivery_about_one_person_goes_as_a_whole(source: str) -> None:
    content = {"type": "email.opened", "created_at": "2026-01-01", "data": {"to": [ADA], "email_id": "em_1"}}
    assert cut(content, source) == {}
    assert cut({"token": "some-token", "only_topic": False, "at": "2026-01-01"}, source) is None


def test_a_contact_id_of_mautics_means_nobody_in_resend() -> None:
    assert (
        cut({"type": "contact.updated", "data": {"contact": {"id": 88, "email": "bo@example.com"}}}, "resend") is None
    )


def test_the_stored_source_decides_and_not_the_shape_of_the_body() -> None:
    """What Mautic's custom events are called is its administrator's choice."""
    others = [{"lead": {"id": 2, "email": "bo@example.com"}}]
    event = {"event": {"lead": {"id": 1, "email": ADA}}, "data": others}
    assert cut(event, "mautic") == {"data": others}
    envelope = {"type": [{"lead": {"email": ADA}}], "created_at": "2026-01-01", "data": others}
    assert cut(envelope, "mautic") == {"created_at": "2026-01-01", "data": others}


@pytest.mark.parametrize("source", ["hubspot", "", None, 5, ["mautic"]])
@pytest.mark.parametrize(
    "content",
    [
        {"mautic.email_on_open": [{"lead": {"email": ADA}}, {"lead": {"email": "bo@example.com"}}]},
        {"a": {"contact": {"id": 88}}},
        {"contact": {"email": "bo@example.com", "mobile": "+61 491 570 156"}},
        {"id": str(ID)},
        [ADA],
    ],
)
def test_of_an_unknown_source_nothing_stays_that_may_be_the_persons(source: object, content: Any) -> None:
    assert redact_stored(REDACTORS, source, json.dumps(content), PERSON) == NOTHING_LEFT
    assert redact_stored(REDACTORS, source, json.dumps({"lead": {"id": 1, "email": "bo@example.com"}}), PERSON) is None
