"""What Mautic sends becomes events in our words."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.providers.mautic import webhook
from crm_relay.providers.mautic.events import MauticDelivery, MauticEvent
from crm_relay.providers.mautic.mapping_webhook import READERS
from crm_relay.providers.mautic.vocabulary import APPLIED_EVENTS, IGNORED_EVENTS, OUR_DNC_COMMENT
from tests.support.customers.mautic_hooks import (
    SAMPLES,
    all_recorded,
    body_of,
    deleted,
    delivery,
    opened,
    recorded,
    subscription,
)

NOW = datetime(2026, 11, 20, 13, tzinfo=UTC)
UNRECORDED = SAMPLES.parent / "mautic_unrecorded"
DOCUMENT_EVENT = {
    "id": 1,
    "lead": {"id": 1, "email": "test@example.com"},
    "email": {"id": 1, "name": "Test Campaign", "subject": "Test Subject"},
    "dateRead": "2026-02-13T12:00:00Z",
}


def parse(content: object) -> MauticDelivery:
    return webhook.parse(content if isinstance(content, bytes) else body_of(content), now=NOW)


def only(content: object) -> MauticEvent:
    (event,) = parse(content).events
    return event


# --- vocabulary ------------------------------------------------------------------------------------------------------


def test_every_event_that_mautic_offers_is_applied_or_ignored_on_purpose() -> None:
    offered = json.loads((SAMPLES / "90_hooks_triggers.json").read_text())["response"]["body_json"]["triggers"]
    documents = {f"mautic.email_on_{word}" for word in ("click", "unsubscribe", "bounce")}
    assert len(offered) == 14
    assert APPLIED_EVENTS.keys() | IGNORED_EVENTS.keys() == set(offered) | documents
    assert not APPLIED_EVENTS.keys() & IGNORED_EVENTS.keys()
    assert READERS.keys() == APPLIED_EVENTS.keys()


@pytest.mark.parametrize("path", sorted(UNRECORDED.glob("*.json")), ids=lambda path: path.stem)
def test_an_event_that_was_never_recorded_is_ignored_on_purpose(path: Path) -> None:
    sample = json.loads(path.read_text())
    assert sample["note"] == "not recorded; shape after facts"
    assert parse(sample["body_json"]) == MauticDelivery((), ignored=1)


def test_the_recorded_and_the_unrecorded_samples_show_every_real_event() -> None:
    recorded_names = {name for hook in all_recorded() for name in hook.content if name != "timestamp"}
    unrecorded = {name for path in UNRECORDED.glob("*.json") for name in json.loads(path.read_text())["body_json"]}
    assert recorded_names | unrecorded == {name for name in {*APPLIED_EVENTS, *IGNORED_EVENTS} if name not in DOCUMENTS}


DOCUMENTS = {"mautic.email_on_click", "mautic.email_on_unsubscribe", "mautic.email_on_bounce"}


def test_an_unknown_event_is_counted_and_hurts_nobody() -> None:
    assert parse({"mautic.asset_on_download": [{}, 7], "mautic.lead_post_save_new": [None]}) == MauticDelivery(
        (), unknown=2, ignored=1
    )


# --- recordings ------------------------------------------------------------------------------------------------------

RECORDED_KINDS = {
    "95_hook_delete__lead_post_delete": "contact_deleted",
    "95_hook_subscription_changed_manual_dnc_via_api": "unsubscribe",
    "97_hook_bounce_by_api_dnc_reason2__lead_channel_subscription_changed": "bounce",
    "97_hook_click__page_on_hit": "click",
    "97_hook_email_on_open_first": "open",
    "97_hook_email_on_open_second": "open",
    "97_hook_unsubscribe_get__lead_channel_subscription_changed": "unsubscribe",
}


@pytest.mark.parametrize("hook", all_recorded(), ids=lambda each: each.name)
def test_every_recording_is_read(hook: Any) -> None:
    found = parse(hook.body)
    assert [event.kind for event in found.events] == [
        RECORDED_KINDS[name] for name in [hook.name] if name in RECORDED_KINDS
    ]
    assert (found.unknown, found.unreadable, found.repeated) == (0, 0, 0)


def test_an_open_knows_its_mail_its_contact_and_its_time() -> None:
    event = only(recorded("97_hook_email_on_open_second").body)
    assert event.key == "mautic:open:6b003b649d535805858242:2"
    assert event.occurred_at == datetime(2026, 11, 20, 12, 22, 51, tzinfo=UTC)
    assert event.sent_at == datetime(2026, 11, 20, 12, 21, 56, tzinfo=UTC)
    assert (event.contact_id, event.address) == (88, "hook.one@example.com")
    assert (event.campaign_name, event.email_subject, event.email_id) == (
        "Lab mail",
        "Hello {contactfield=firstname}",
        "1",
    )


def test_a_click_knows_its_link_and_its_browser() -> None:
    event = only(recorded("97_hook_click__page_on_hit").body)
    assert event.link_url == "http://127.0.0.1:8099/ok/landing?x=1"
    assert event.user_agent is not None
    assert "Chrome/120" in event.user_agent


def test_a_visit_without_an_email_is_ignored_on_purpose() -> None:
    assert parse(recorded("97_hook_website_page_hit_anonymous__page_on_hit").body) == MauticDelivery((), ignored=1)


def test_a_real_supabase_id_names_the_customer_and_anything_else_does_not() -> None:
    customer = uuid4()
    mine = parse(delivery(lead_channel_subscription_changed=[subscription(supabase_id=str(customer))]))
    assert mine.events[0].customer_id == UUID(str(customer))
    assert only(recorded("97_hook_unsubscribe_get__lead_channel_subscription_changed").body).customer_id is None


# --- identity --------------------------------------------------------------------------------------------------------


def test_an_event_has_the_same_key_alone_in_a_list_and_among_others() -> None:
    event = opened(tracking="h")
    alone = only({"mautic.email_on_open": event})
    listed = only({"mautic.email_on_open": [event]})
    indexed = only({"mautic.email_on_open": {"3": event}})
    among = parse({"mautic.page_on_hit": [], "mautic.email_on_open": [opened(tracking="other"), event]}).events[1]
    assert {alone.key, listed.key, indexed.key, among.key} == {"mautic:open:h:1"}


def test_an_event_that_stands_twice_in_one_delivery_counts_once() -> None:
    found = parse(delivery(email_on_open=[opened(tracking="a"), opened(tracking="b"), opened(tracking="a")]))
    assert [event.key for event in found.events] == ["mautic:open:a:1", "mautic:open:b:1"]
    assert found.repeated == 1


def test_a_document_event_is_known_by_all_that_it_says_whatever_its_order() -> None:
    turned = dict(reversed(DOCUMENT_EVENT.items()))
    other = DOCUMENT_EVENT | {"id": 2}
    keys = [only({"mautic.email_on_unsubscribe": [event]}).key for event in (DOCUMENT_EVENT, turned, other)]
    assert keys[0] == keys[1] != keys[2]


# --- subscription changes --------------------------------------------------------------------------------------------

MEANINGS = [
    ("email", "unsubscribed", "unsubscribe"),
    ("email", "manual", "unsubscribe"),
    ("email", "bounced", "bounce"),
    ("email", "contactable", None),
    ("email", "something new", None),
    ("sms", "unsubscribed", "sms_opt_out"),
    ("sms", "contactable", None),
    ("mobile_push", "unsubscribed", None),
]


@pytest.mark.parametrize(("channel", "status", "kind"), MEANINGS)
def test_a_new_status_means(channel: str, status: str, kind: str | None) -> None:
    event = subscription(channel=channel, new=status, mobile="+61 400 111 222")
    found = parse(delivery(lead_channel_subscription_changed=[event]))
    assert [each.kind for each in found.events] == ([kind] if kind else [])
    assert found.ignored == (0 if kind else 1)


def test_an_opt_out_from_text_messages_without_a_number_is_its_contacts() -> None:
    event = subscription(channel="sms", mobile=None)
    (found,) = parse(delivery(lead_channel_subscription_changed=[event])).events
    assert (found.kind, found.contact_id, found.address) == ("sms_opt_out", 88, None)


@pytest.mark.parametrize("status", ["unsubscribed", "manual", "bounced"])
def test_the_echo_of_our_own_do_not_contact_is_ignored(status: str) -> None:
    echo = subscription(new=status, comments=f"{OUR_DNC_COMMENT}: opted out")
    assert parse(delivery(lead_channel_subscription_changed=[echo])) == MauticDelivery((), ignored=1)


def test_an_unsubscribe_beside_our_own_older_entry_is_not_taken_for_an_echo() -> None:
    event = subscription(new="unsubscribed")
    other_channel = {"reason": 1, "channel": "sms", "comments": f"{OUR_DNC_COMMENT}: opted out"}
    other_reason = {"reason": 3, "channel": "email", "comments": f"{OUR_DNC_COMMENT}: opted out"}
    event["contact"]["doNotContact"] = {"1": other_channel, "4": other_reason}
    assert len(parse(delivery(lead_channel_subscription_changed=[event])).events) == 1


# --- samples that Mautic sends at the press of a button --------------------------------------------------------------


def test_a_sample_opts_nobody_out_although_its_contact_id_may_be_somebodys() -> None:
    assert parse(recorded("99_hook_ui_test_payload").body) == MauticDelivery((), ignored=3)


def test_a_sample_of_a_deletion_deletes_nothing() -> None:
    sample = {"mautic.lead_post_delete": [{"id": 5}], "timestamp": "2026-11-20T12:25:52+00:00"}
    assert parse(sample) == MauticDelivery((), ignored=1)


def test_a_fresh_event_with_a_time_beside_it_is_no_sample() -> None:
    content = {"mautic.email_on_open": opened(), "timestamp": "2026-11-20T12:25:52+00:00"}
    assert only(content).kind == "open"


def test_a_test_without_a_sample_holds_no_event() -> None:
    assert parse(recorded("99_hook_ui_test_payload_email_on_send").body) == MauticDelivery(())


def test_deletions_need_their_own_time_only_where_they_could_be_samples() -> None:
    assert only(delivery(lead_post_delete=[deleted(5)])).key == "mautic:deletion:5:20261120T122525Z"


# --- the document's form ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["open", "click", "unsubscribe", "bounce"])
def test_the_documents_own_form_is_understood(kind: str) -> None:
    event = DOCUMENT_EVENT | ({"url": "https://example.com/tickets"} if kind == "click" else {})
    found = only({f"mautic.email_on_{kind}": [event], "timestamp": "2026-02-13T12:00:00Z"})
    assert (found.kind, found.contact_id, found.address) == (kind, 1, "test@example.com")
    assert (found.campaign_name, found.email_subject) == ("Test Campaign", "Test Subject")
    assert found.occurred_at == datetime(2026, 2, 13, 12, tzinfo=UTC)
    assert found.link_url == event.get("url")
