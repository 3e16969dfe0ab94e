"""Holds the simulator's webhooks to the recorded deliveries of a real Mautic 5.1.1."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.simulators.mautic.webhooks.hooks import TRIGGERS, signature
from tests.contract.providers.mautic.mautic_receiver import HookReceiver, receiver
from tests.contract.providers.mautic.mautic_recordings import HOOK_SECRET, differences, names, recording
from tests.contract.providers.mautic.mautic_stage import MauticStage, stage
from tests.contract.providers.mautic.mautic_table import hook_names

# The two opens were recorded at a hook made without a secret, whose generated one is not known.
DELIVERIES = [
    name for name in names() if recording(name).get("webhook_request", {}).get("path", "/ok/nosecret") != "/ok/nosecret"
]
PERSON = {
    "email": "hook.one@example.com",
    "firstname": "Hooked",
    "lastname": "One",
    "supabase_id": "hk-1",
    "customer_segment": "vip",
    "total_orders": 2,
}


@pytest.fixture
def sink() -> Iterator[HookReceiver]:
    with receiver() as seen:
        yield seen


@pytest.fixture
def made(sink: HookReceiver) -> Iterator[MauticStage]:
    """One contact (88), one e-mail, one segment and one hook made in the UI that wants everything."""
    with stage() as ready:
        ready.segments()
        ready.contact(88, **PERSON)
        ready.done("POST", "/api/emails/new", recording("94_email_new")["request"]["body_json"])
        ready.sim.hook(sink.url, HOOK_SECRET, TRIGGERS)
        yield ready


def bounced_by_api(made: MauticStage) -> None:
    made.contact(93, email="bounce.api@example.com", firstname="bounce.api")
    made.done("POST", "/api/contacts/93/dnc/email/add", {"reason": 2, "comments": "550 no such user"})


def came_back(made: MauticStage) -> None:
    made.sim.click(1, 88)
    made.sim.unsubscribe(1, 88)
    made.sim.resubscribe(1, 88)


def deleted(made: MauticStage) -> None:
    made.fillers([96])
    made.done("DELETE", "/api/contacts/96/delete")


def opened_twice(made: MauticStage) -> None:
    made.sim.open_email(1, 88)
    made.sim.open_email(1, 88)


def opened_and_clicked(made: MauticStage) -> None:
    made.sim.open_email(1, 88)
    made.sim.click(1, 88)


def visited(made: MauticStage) -> None:
    made.sim.visit_website("http://127.0.0.1:8099/shop")


def dnc(made: MauticStage, call: str) -> object:
    return made.done("POST", f"/api/contacts/88/dnc/email/{call}", {"reason": 3, "comments": "opt-out"})


ACTIONS: dict[str, Callable[[MauticStage], object]] = {
    "95_hook_delete__lead_post_delete": deleted,
    "95_hook_email_on_send": lambda made: made.sim.send_email(1, 88),
    "95_hook_lead_list_change_added": lambda made: made.done("POST", "/api/segments/3/contact/88/add"),
    "95_hook_lead_list_change_removed": lambda made: [
        made.done("POST", f"/api/segments/3/contact/88/{call}") for call in ("add", "remove")
    ],
    "95_hook_lead_post_save_new": lambda made: made.contact(
        99, **{**PERSON, "email": "new.one@example.com", "supabase_id": "hk-2"}
    ),
    "95_hook_lead_post_save_update": lambda made: made.done("PATCH", "/api/contacts/88/edit", {"firstname": "H"}),
    "95_hook_subscription_changed_dnc_removed_via_api": lambda made: [dnc(made, call) for call in ("add", "remove")],
    "95_hook_subscription_changed_manual_dnc_via_api": lambda made: dnc(made, "add"),
    "97_hook_bounce_by_api_dnc_reason2__lead_channel_subscription_changed": bounced_by_api,
    "97_hook_bounce_by_api_dnc_reason2__lead_post_save_update": bounced_by_api,
    "97_hook_click__lead_post_save_update": opened_and_clicked,
    "97_hook_click__page_on_hit": opened_and_clicked,
    "97_hook_email_on_open_first": lambda made: made.sim.open_email(1, 88),
    "97_hook_email_on_open_second": opened_twice,
    "97_hook_resubscribe__lead_channel_subscription_changed": came_back,
    "97_hook_resubscribe__lead_post_save_update": came_back,
    "97_hook_unsubscribe_get__lead_channel_subscription_changed": lambda made: made.sim.unsubscribe(1, 88),
    "97_hook_unsubscribe_get__lead_post_save_update": lambda made: made.sim.unsubscribe(1, 88),
    "97_hook_website_page_hit_anonymous__page_on_hit": visited,
}
# Facts about the recorded lab, not about Mautic: who was modified before, and values of other contacts.
BEFORE = (".dateModified", ".modifiedByUser", ".last_active.value", ".last_active.normalizedValue", ".lastActive")


@pytest.mark.parametrize("name", hook_names())
def test_an_event_has_the_recorded_shape(name: str, made: MauticStage, sink: HookReceiver) -> None:
    recorded = json.loads(recording(name)["webhook_request"]["body_raw"])
    ((kind, [payload]),) = recorded.items()
    ACTIONS[name](made)
    answered = [event for delivery in sink.deliveries for event in delivery.events.get(kind, [])][-1]
    found = differences(payload, answered, values=False)
    assert [d for d in found if not d.split(":")[0].endswith(BEFORE)] == []
    for key in ("channel", "old_status", "new_status", "action"):
        assert payload.get(key) == answered.get(key)


@pytest.mark.parametrize("name", DELIVERIES)
def test_every_recorded_delivery_verifies_with_the_secret(name: str) -> None:
    request = recording(name)["webhook_request"]
    headers = dict(request["headers"])
    assert headers["Webhook-Signature"] == signature(request["body_raw"].encode(), HOOK_SECRET)


def test_a_delivery_has_the_recorded_headers_and_a_valid_signature(made: MauticStage, sink: HookReceiver) -> None:
    made.done("PATCH", "/api/contacts/88/edit", {"firstname": "Zoë / Ana"})
    recorded = [name for name, _ in recording("95_hook_lead_post_save_update")["webhook_request"]["headers"]]
    (delivery,) = sink.deliveries
    assert [name for name, _ in delivery.headers] == recorded
    assert dict(delivery.headers)["Webhook-Signature"] == signature(delivery.raw, HOOK_SECRET)
    assert b"Zo\\u00eb \\/ Ana" in delivery.raw


def test_our_own_do_not_contact_call_comes_back_with_its_comment(made: MauticStage, sink: HookReceiver) -> None:
    dnc(made, "add")
    assert sink.kinds == ["lead_channel_subscription_changed", "lead_post_save_update"]
    (entry,) = sink.only("mautic.lead_channel_subscription_changed")["contact"]["doNotContact"]
    assert (entry["reason"], entry["comments"]) == (3, "opt-out")


def test_the_same_status_again_and_unchanged_data_send_nothing(made: MauticStage, sink: HookReceiver) -> None:
    dnc(made, "add")
    sink.deliveries.clear()
    dnc(made, "add")
    made.done("PATCH", "/api/contacts/88/edit", {"firstname": "Hooked", "total_orders": 0})
    made.done("POST", "/api/segments/3/contact/88/remove")
    assert sink.kinds == []


def test_a_click_on_an_unopened_mail_saves_then_opens_then_hits(made: MauticStage, sink: HookReceiver) -> None:
    made.sim.sending(1, 88)
    sink.deliveries.clear()
    made.sim.click(1, 88)
    assert sink.kinds == ["lead_post_save_update", "email_on_open", "page_on_hit"]
    hit = sink.only("mautic.page_on_hit")["hit"]
    assert hit["query"]["ct"]["stat"] == made.sim.sending(1, 88).hash


def test_an_error_answer_loses_the_event_and_keeps_a_recently_edited_hook(
    made: MauticStage, sink: HookReceiver
) -> None:
    sink.status = 500
    made.done("PATCH", "/api/contacts/88/edit", {"firstname": "A"})
    (hook,) = made.sim.mautic.hooks.values()
    assert hook.published
    assert hook.queue == []


def test_a_410_unpublishes_the_hook_at_once(made: MauticStage, sink: HookReceiver) -> None:
    sink.status = 410
    made.done("PATCH", "/api/contacts/88/edit", {"firstname": "A"})
    made.done("PATCH", "/api/contacts/88/edit", {"firstname": "B"})
    assert len(sink.deliveries) == 1
    assert made.done("GET", "/api/hooks/1")["hook"]["isPublished"] is False


def test_a_hook_not_edited_for_two_days_goes_with_its_first_failures(sink: HookReceiver) -> None:
    clock = [datetime(2026, 11, 20, tzinfo=UTC)]
    with stage() as made:
        made.sim.mautic.now = lambda: clock[0]
        made.contact(88, **PERSON)
        hook = made.sim.hook(sink.url, HOOK_SECRET, TRIGGERS)
        clock[0] += timedelta(days=3)
        sink.status = 503
        made.sim.unsubscribe(1, 88)
        assert not hook.published
        assert len(sink.deliveries) == 1


def _hook_by_api(made: MauticStage, sink: HookReceiver) -> None:
    body = {"name": "Ours", "webhookUrl": sink.url, "triggers": list(TRIGGERS)}
    made.sim.mautic.hooks.clear()
    made.done("POST", "/api/hooks/new", body)
    sink.status = 500


def test_a_killed_webhook_breaks_the_batch_after_its_first_contact(made: MauticStage, sink: HookReceiver) -> None:
    _hook_by_api(made, sink)
    recorded = recording("93_batch_new_while_webhook_gets_killed")
    answered = made.call("POST", "/api/contacts/batch/new", recorded["request"]["body_json"])
    assert answered.status_code == recorded["response"]["status"] == 500
    assert differences(recorded["response"]["body_json"], answered.json()) == []
    stored = [made.sim.contact_by("email", f"kill{number}@example.com") is not None for number in range(3)]
    assert stored == [True, False, False]


def test_a_killed_webhook_breaks_the_call_after_the_write(made: MauticStage, sink: HookReceiver) -> None:
    _hook_by_api(made, sink)
    recorded = recording("93_contact_patch_while_webhook_gets_killed")
    answered = made.call("PATCH", "/api/contacts/88/edit", recorded["request"]["body_json"])
    assert answered.status_code == recorded["response"]["status"] == 500
    assert differences(recorded["response"]["body_json"], answered.json()) == []
    assert made.fields_of(88)["lastname"] == recorded["request"]["body_json"]["lastname"]


def _twelve_queued(made: MauticStage) -> None:
    made.sim.switch(queue_mode=True)
    for number in range(100, 111):
        made.contact(number, email=f"q{number}@example.com", supabase_id=f"q-{number}")
    made.done("PATCH", "/api/contacts/88/edit", {"firstname": "Queued"})


def test_queue_mode_sends_up_to_ten_events_grouped_by_type(made: MauticStage, sink: HookReceiver) -> None:
    _twelve_queued(made)
    dnc(made, "add")
    assert sink.deliveries == []
    assert made.sim.process_webhooks() == 2
    full, last = (delivery.events for delivery in sink.deliveries)
    recorded = json.loads(recording("100_hook_queue_mode_batch_of_10")["webhook_request"]["body_raw"])
    assert {kind: len(events) for kind, events in full.items()} == {"mautic.lead_post_save_new": 10}
    assert (
        differences(recorded["mautic.lead_post_save_new"][0], full["mautic.lead_post_save_new"][0], values=False) == []
    )
    recorded_last = json.loads(recording("100_hook_queue_mode_last")["webhook_request"]["body_raw"])
    assert list(last) == list(recorded_last)


def test_an_error_answer_still_deletes_the_ten_events_just_sent(made: MauticStage, sink: HookReceiver) -> None:
    _twelve_queued(made)
    sink.status = 503
    (hook,) = made.sim.mautic.hooks.values()
    left = []
    for _ in range(2):
        made.sim.process_webhooks()
        left.append(len(hook.queue))
    assert left == [2, 0]


def test_only_a_connection_failure_keeps_queued_events(made: MauticStage, sink: HookReceiver) -> None:
    _twelve_queued(made)
    (hook,) = made.sim.mautic.hooks.values()
    url, hook.url = hook.url, "http://127.0.0.1:9/closed"
    made.sim.process_webhooks()
    assert len(hook.queue) == 12
    hook.url = url
    made.sim.process_webhooks()
    assert [len(events) for delivery in sink.deliveries for events in delivery.events.values()] == [10, 1, 1]
