"""Holds the simulated EmailBison's events and webhooks to what vendor and public receivers say of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.simulators.bison import EVENTS, EventOptions
from local.simulators.bison.api.shapes import API_COUNTERS
from local.simulators.http_server import HttpServer, Incoming, Outgoing
from tests.contract.providers.bison.bison_stage import BisonStage, bodies, kinds, only, stage
from tests.contract.providers.mautic.mautic_receiver import HookReceiver, receiver


@pytest.fixture
def made() -> Iterator[BisonStage]:
    with stage() as ready:
        yield ready


@pytest.fixture
def sink(made: BisonStage) -> Iterator[HookReceiver]:
    """Told of everything that happens in `one`."""
    with receiver() as seen:
        made.sim.hook(made.one, seen.url)
        yield seen


# --- webhook addresses ------------------------------------------------------------------------------------------------


def test_a_webhook_url_is_made_shown_replaced_and_deleted(made: BisonStage) -> None:
    wanted = {"name": "Relay", "url": "https://relay.example.com/t/1", "events": ["email_sent", "lead_replied"]}
    created = made.call("POST", "/api/webhook-url", json=wanted)
    assert created.status_code == 201
    path = f"/api/webhook-url/{created.json()['data']['id']}"
    assert wanted.items() <= made.get(path)["data"].items()
    assert "secret" not in made.get(path)["data"]
    made.call("PUT", path, json={**wanted, "events": ["email_bounced"]})
    assert [item["events"] for item in made.get("/api/webhook-url")["data"]] == [["email_bounced"]]
    assert made.get("/api/webhook-url", made.two.token)["data"] == []
    assert made.call("DELETE", path, made.two.token).status_code == 404
    assert made.call("DELETE", path).json()["data"]["success"] is True
    assert made.call("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["name", "url", "events"]),
        ({"name": "x", "url": "no-address", "events": ["email_sent"]}, ["url"]),
        ({"name": "x", "url": "https://a.example", "events": ["email_sent", "contact_replied"]}, ["events.1"]),
        ({"name": "x", "url": "https://a.example", "events": ["LEAD_REPLIED"]}, ["events.0"]),
    ],
)
def test_bad_input_for_a_webhook_url_is_a_422_by_field(made: BisonStage, body: Any, fields: list[str]) -> None:
    refused = made.call("POST", "/api/webhook-url", json=body)
    assert (refused.status_code, list(refused.json()["errors"])) == (422, fields)
    assert refused.json()["message"].startswith(refused.json()["errors"][fields[0]][0])


def test_event_types_and_samples_cover_the_vendors_list(made: BisonStage) -> None:
    assert [item["id"] for item in made.get("/api/webhook-events/event-types")["data"]] == list(EVENTS)
    for name, parts in EVENTS.items():
        shown = made.get(f"/api/webhook-events/sample-payload?event_type={name}")["data"]
        assert (shown["event"]["type"], tuple(shown["data"])) == (name.upper(), parts)
    in_body = made.call("GET", "/api/webhook-events/sample-payload", json={"event_type": "tag_attached"})
    assert in_body.json()["data"]["event"]["type"] == "TAG_ATTACHED"
    assert made.call("GET", "/api/webhook-events/sample-payload?event_type=nothing").status_code == 422


def test_a_test_event_is_really_delivered(made: BisonStage) -> None:
    with receiver() as seen:
        wanted = {"event_type": "email_bounced", "url": seen.url}
        assert made.call("POST", "/api/webhook-events/test-event", json=wanted).status_code == 200
        made.sim.switch(vendor_samples=True)
        made.call("POST", "/api/webhook-events/test-event", made.two.token, json=wanted)
    own, vendor = (body["event"] for body in bodies(seen))
    assert (own["type"], own["workspace_id"], own["workspace_name"]) == ("EMAIL_BOUNCED", 1, "Acme outbound")
    assert (vendor["workspace_id"], vendor["workspace_name"]) == (1, "main")
    assert made.call("POST", "/api/webhook-events/test-event", json={"event_type": "email_sent"}).status_code == 422


# --- what happens -----------------------------------------------------------------------------------------------------

ACTIONS: dict[str, tuple[Callable[[BisonStage], object], list[str], dict[str, int]]] = {
    "a first e-mail": (
        lambda s: s.sim.send_email(s.account),
        ["EMAIL_SENT", "LEAD_FIRST_CONTACTED"],
        {"emails_sent": 1, "total_leads_contacted": 1},
    ),
    "a manual e-mail": (lambda s: s.sim.manual_email(s.account), ["MANUAL_EMAIL_SENT"], {}),
    "an untracked reply": (lambda s: s.sim.untracked_reply(s.account), ["UNTRACKED_REPLY_RECEIVED"], {}),
    "a disconnect": (lambda s: s.sim.disconnect(s.account), ["EMAIL_ACCOUNT_DISCONNECTED"], {}),
    "a reconnect": (lambda s: s.sim.reconnect(s.account), ["EMAIL_ACCOUNT_RECONNECTED"], {}),
    "a new account": (lambda s: s.sim.add_account(s.one), ["EMAIL_ACCOUNT_ADDED"], {}),
    "a warm-up off": (lambda s: s.sim.disable_warmup(s.account), ["WARMUP_DISABLED_RECEIVING_BOUNCES"], {}),
    "a tag": (lambda s: s.sim.attach_tag(s.account, "Slow"), ["TAG_ATTACHED"], {}),
    "a tag less": (lambda s: s.sim.remove_tag(s.account, "Gmail"), ["TAG_REMOVED"], {}),
    "something new": (lambda s: s.sim.unknown_event(s.one), ["MAILBOX_TELEPORTED"], {}),
}


@pytest.mark.parametrize("case", ACTIONS)
def test_an_action_counts_and_fires(made: BisonStage, sink: HookReceiver, case: str) -> None:
    act, fired, counted = ACTIONS[case]
    act(made)
    assert kinds(sink) == fired
    shown = made.shown
    assert {name: shown[spelt] for name, spelt in API_COUNTERS.items() if shown[spelt]} == counted


@pytest.mark.parametrize(
    ("act", "event", "counted"),
    [
        ("open", "EMAIL_OPENED", ["opened", "unique_opens"]),
        ("reply", "LEAD_REPLIED", ["replied", "unique_replies"]),
        ("interested", "LEAD_INTERESTED", ["replied", "unique_replies", "interested"]),
        ("bounce", "EMAIL_BOUNCED", ["bounced"]),
        ("unsubscribe", "LEAD_UNSUBSCRIBED", ["unsubscribed"]),
    ],
)
def test_what_follows_an_email_counts_and_carries_its_objects(
    made: BisonStage, sink: HookReceiver, act: str, event: str, counted: list[str]
) -> None:
    sending = made.sim.send_email(made.account)
    getattr(made.sim, act)(sending)
    data = only(sink, event)["data"]
    assert tuple(data) == EVENTS[event.lower()]
    assert all(data["sender_email"][name] == 1 for name in counted)
    assert data["scheduled_email"]["id"] == sending.id
    assert data["campaign_event"]["id"] != only(sink, "EMAIL_SENT")["data"]["campaign_event"]["id"]


def test_a_webhook_spells_the_account_otherwise_than_the_api(made: BisonStage, sink: HookReceiver) -> None:
    made.sim.send_email(made.account)
    received = only(sink, "EMAIL_SENT")
    sender = received["data"]["sender_email"]
    assert (sender["emails_sent"], sender["status"]) == (1, "connected")
    assert not set(API_COUNTERS.values()) & set(sender)
    assert received["event"] == {
        "type": "EMAIL_SENT",
        "name": "Email Sent",
        "instance_url": made.sim.url,
        "workspace_id": made.one.id,
        "workspace_name": "Acme outbound",
    }


def test_only_the_first_marking_as_interested_fires(made: BisonStage, sink: HookReceiver) -> None:
    reply = made.sim.reply(made.account)
    made.sim.interested(reply)
    made.sim.interested(reply)
    assert kinds(sink).count("LEAD_INTERESTED") == 1
    assert made.account.counters.interested == 1
    assert len(made.get("/api/replies?status=interested")["data"]) == 1


def test_a_campaign_may_leave_out_automated_replies_and_opens(made: BisonStage, sink: HookReceiver) -> None:
    quiet = made.sim.campaign(made.one, include_auto_replies=False, open_tracking=False)
    sending = made.sim.send_email(made.account, campaign=quiet)
    made.sim.reply(sending, "I am away.", automated=True)
    made.sim.open(sending)
    assert kinds(sink) == ["EMAIL_SENT", "LEAD_FIRST_CONTACTED"]
    assert (made.account.counters.replied, made.account.counters.opened) == (0, 0)
    assert len(made.get("/api/replies?status=automated_reply")["data"]) == 1
    assert made.sim.reply(made.sim.send_email(made.account), automated=False).automated is False


@pytest.mark.parametrize(
    ("wanted", "found"),
    [({}, "550 5.1.1"), ({"permanent": False}, "451 4.7.1"), ({"code": "452 4.2.2"}, "452 4.2.2")],
)
def test_a_bounce_carries_the_servers_words(made: BisonStage, sink: HookReceiver, wanted: Any, found: str) -> None:
    made.sim.bounce(made.account, **wanted)
    reply = only(sink, "EMAIL_BOUNCED")["data"]["reply"]
    assert (reply["folder"], reply["type"]) == ("Bounced", "Bounced")
    assert f"Diagnostic-Code: smtp; {found}" in reply["text_body"]
    assert f"Status: {found.split()[1]}" in reply["text_body"]
    assert len(made.get("/api/replies?folder=bounced")["data"]) == 1


def test_a_disconnect_may_have_healed_by_the_time_it_is_told(made: BisonStage, sink: HookReceiver) -> None:
    made.sim.disconnect(made.account)
    assert made.shown["status"] == "Not connected"
    made.sim.reconnect(made.account, options=EventOptions(silent=True))
    assert made.shown["tags"] == []
    made.sim.disconnect(made.account, healed=True)
    assert [body["data"]["sender_email"]["status"] for body in bodies(sink)] == ["not connected", "connected"]
    assert made.account.connected


# --- deliveries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("envelope", "path"),
    [("plain", []), ("data", ["data"]), ("payload", ["payload"]), ("data_payload", ["data", "payload"])],
)
def test_an_event_can_come_in_each_envelope_seen(
    made: BisonStage, sink: HookReceiver, envelope: Any, path: list[str]
) -> None:
    made.sim.untracked_reply(made.account, options=EventOptions(envelope=envelope))
    body = bodies(sink)[0]
    for key in path:
        assert list(body) == [key]
        body = body[key]
    assert body["event"]["type"] == "UNTRACKED_REPLY_RECEIVED"
    assert "reply" in body["data"]


def test_an_event_can_be_flat(made: BisonStage, sink: HookReceiver) -> None:
    made.sim.untracked_reply(made.account, options=EventOptions(envelope="flat", case="lower"))
    body = bodies(sink)[0]
    assert (body["event"], body["workspace_id"]) == ("untracked_reply_received", made.one.id)


@pytest.mark.parametrize(("case", "written"), [("lower", "tag_attached"), ("mixed", "Tag_Attached")])
def test_the_type_can_be_written_otherwise_and_the_instance_left_out(
    made: BisonStage, sink: HookReceiver, case: Any, written: str
) -> None:
    made.sim.attach_tag(made.account, "Slow", options=EventOptions(case=case, instance_url=False))
    event = bodies(sink)[0]["event"]
    assert event["type"] == written
    assert "instance_url" not in event


def test_a_delivery_can_be_repeated_to_the_byte_or_in_other_bytes(made: BisonStage, sink: HookReceiver) -> None:
    made.sim.untracked_reply(made.account, "naïve / curious", options=EventOptions(times=3))
    assert len({delivery.raw for delivery in sink.deliveries}) == 1
    made.sim.redeliver(made.sim.deliveries[0], 2, reserialised=True)
    assert len(sink.deliveries) == 5
    assert len({delivery.raw for delivery in sink.deliveries}) == 2
    assert len({json.dumps(body, sort_keys=True) for body in bodies(sink)}) == 1


def test_a_silent_event_counts_and_arrives_nowhere(made: BisonStage, sink: HookReceiver) -> None:
    made.sim.send_email(made.account, options=EventOptions(silent=True))
    assert (sink.deliveries, made.sim.deliveries) == ([], [])
    assert made.account.counters.emails_sent == 1


def test_a_failed_delivery_is_tried_three_times_and_can_be_replayed(made: BisonStage, sink: HookReceiver) -> None:
    sink.status = 503
    made.sim.untracked_reply(made.account)
    assert [(item.attempt, item.status) for item in made.sim.deliveries] == [(1, 503), (2, 503), (3, 503)]
    assert len({item.body for item in made.sim.deliveries}) == 1
    sink.status = 202
    assert made.sim.redeliver(made.sim.deliveries[0])[0].succeeded


def test_nobody_listening_is_a_failed_delivery_and_hinders_nothing(made: BisonStage) -> None:
    made.sim.hook(made.one, "http://127.0.0.1:9/nobody", ["email_sent"])
    made.sim.send_email(made.account)
    assert [item.status for item in made.sim.deliveries] == [None] * 3
    assert made.account.counters.emails_sent == 1


def test_a_webhook_goes_only_to_addresses_of_its_workspace_that_want_it(made: BisonStage, sink: HookReceiver) -> None:
    made.sim.hook(made.one, sink.url, ["tag_removed"])
    made.sim.hook(made.two, sink.url)
    made.sim.untracked_reply(made.account)
    made.sim.move_account(made.account, made.two)
    assert len(sink.deliveries) == 1


def test_a_receiver_may_ask_the_simulator_while_it_is_told(made: BisonStage) -> None:
    asked: list[int] = []

    def received(incoming: Incoming) -> Outgoing:
        asked.append(made.call("GET", "/api/sender-emails").status_code)
        return Outgoing(202, {}, b"")

    listener = HttpServer(0, received).start()
    made.sim.hook(made.one, f"{listener.url}/hook")
    made.call("DELETE", f"/api/sender-emails/{made.account.id}")
    made.sim.bounce(made.account)
    listener.stop()
    assert asked == [200] * 4
    assert {item.status for item in made.sim.deliveries} == {202}


def test_newer_instances_keep_a_log_of_events_and_attempts(made: BisonStage, sink: HookReceiver) -> None:
    made.sim.switch(delivery_log=True)
    for _ in range(16):
        made.sim.untracked_reply(made.account)
    made.sim.untracked_reply(made.account, options=EventOptions(silent=True))
    page = made.get("/api/events?type=untracked_reply_received")
    assert (len(page["data"]), page["meta"]["per_page"]) == (15, 15)
    newest, received = page["data"][:2]
    assert newest["webhook_deliveries"] == []
    assert newest["payload"]["event"]["type"] == "UNTRACKED_REPLY_RECEIVED"
    attempt = received["webhook_deliveries"][0]["webhook_attempts"][0]
    assert attempt["response_code"] == 200
    assert len(made.get(f"/api/events?cursor={page['meta']['next_cursor']}")["data"]) == 2
    assert made.call("POST", f"/api/webhook-attempts/{attempt['id']}/retry").status_code == 200
    assert len(sink.deliveries) == 17
