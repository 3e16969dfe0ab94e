"""What EmailBison sends becomes one event in our words, in whatever envelope it comes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.bison import webhook
from crm_relay.providers.bison.events import BisonDelivery, BisonEvent, BisonLead
from crm_relay.providers.bison.vocabulary import HANDLED_EVENTS, IGNORED_EVENTS
from tests.support.outreach.bison_deliveries import (
    ENVELOPES,
    SAMPLES,
    backwards,
    body_of_sample,
    data_of_sample,
    flat,
    plain,
)

NOW = datetime(2026, 11, 20, 13, tzinfo=UTC)
CLAIMS = {"instance_url": "https://Send.Example.com:8443/app", "workspace_id": 17, "workspace_name": "Northwind"}
HANDLED = sorted(HANDLED_EVENTS)
EMPTY_HASH = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def parse(content: object, *, now: datetime = NOW) -> BisonDelivery:
    return webhook.parse(content if isinstance(content, bytes) else json.dumps(content).encode(), now=now)


def event_of(event_type: str, data: object, *, now: datetime = NOW) -> BisonEvent:
    event = parse(plain(event_type, data, CLAIMS), now=now).event
    assert event is not None
    return event


def refusal(content: object) -> RejectedInput:
    with pytest.raises(RejectedInput) as refused:
        parse(content)
    assert refused.value.status == 400
    return refused.value


# --- samples ---------------------------------------------------------------------------------------------------------

KEYS = {
    "email_sent": "email_sent:campaign_event:80001",
    "lead_replied": "lead_replied:campaign_event:80002",
    "lead_interested": "lead_interested:campaign_event:80003",
    "email_bounced": "email_bounced:campaign_event:80004",
    "lead_unsubscribed": "lead_unsubscribed:campaign_event:80005",
    "untracked_reply": "untracked_reply_received:reply:0f8fad5b-d9cb-469f-a165-708677284002",
    "account_added": "email_account_added:sender_email:302:20261120T125000.000000Z",
    "account_removed": "email_account_removed:sender_email:301:20261120T125900.000000Z",
    "account_disconnected": "email_account_disconnected:sender_email:301:20261120T125100.000000Z",
    "account_reconnected": "email_account_reconnected:sender_email:301:20261120T125500.000000Z",
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_sample_of_each_kind_is_read(kind: str) -> None:
    delivery = parse(body_of_sample(kind))
    assert (delivery.verdict, delivery.workspace_id, delivery.workspace_name) == ("handled", 17, "Northwind")
    assert delivery.instance_host == "send.example.com"
    assert delivery.event is not None
    assert (delivery.event.kind, delivery.event.key) == (kind, KEYS[kind])
    assert delivery.event.account is not None
    assert KEYS.keys() == set(HANDLED_EVENTS.values())


def test_who_and_what_a_reply_is_about() -> None:
    event = parse(body_of_sample("lead_replied")).event
    assert event is not None
    assert event.lead == BisonLead(
        9001, "ada@prospect.example.org", "Ada", "Moreau", "Prospect Ltd", "Head of Operations"
    )
    assert (event.campaign_id, event.campaign_name) == (55, "Autumn introductions")
    assert event.email_subject == "A question about Lyon"
    assert event.occurred_at == datetime(2026, 11, 20, 12, 20, tzinfo=UTC)
    reply = event.reply
    assert reply is not None
    assert reply.external_id == "0f8fad5b-d9cb-469f-a165-708677284001"
    assert (reply.from_address, reply.from_name) == ("ada@prospect.example.org", "Ada Moreau")
    assert (reply.thread_id, reply.is_automated) == ("<4001@prospect.example.org>", False)
    assert event.account is not None
    assert (event.account.account_id, event.account.provider, event.account.unique_replied) == (301, "Gmail", 17)


def test_a_mail_to_nobody_in_particular_has_no_lead_and_knows_its_thread() -> None:
    event = parse(body_of_sample("untracked_reply")).event
    assert event is not None
    assert event.lead is None
    assert event.reply is not None
    assert event.reply.thread_id == "3999"


def test_only_a_bounce_is_permanent() -> None:
    bounced = data_of_sample("email_bounced")
    assert event_of("email_bounced", bounced).is_permanent_bounce
    assert not event_of("lead_replied", bounced).is_permanent_bounce
    bounced["reply"] |= {"text_body": None, "html_body": "<p>550 5.1.1</p>"}
    assert event_of("email_bounced", bounced).is_permanent_bounce
    bounced["reply"] |= {"html_body": None}
    assert not event_of("email_bounced", bounced).is_permanent_bounce


def test_what_is_known_and_not_kept_is_told_apart_from_what_nobody_knows() -> None:
    for name in IGNORED_EVENTS:
        assert (parse(plain(name.upper(), {}, CLAIMS)).verdict, parse(plain(name, 5, {})).event) == ("ignored", None)
    assert parse(body_of_sample("ignored")).event_type == "email_opened"
    unknown = parse(body_of_sample("unknown"))
    assert (unknown.verdict, unknown.event, unknown.workspace_id) == ("unknown", None, 17)
    assert parse({"event": "something new", "data": ["whatever"]}).verdict == "unknown"


# --- envelopes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "same_as"),
    [
        ("wrapped", "lead_replied"),
        ("flat", "lead_unsubscribed"),
        ("redelivery", "email_sent"),
        ("wrong_token", "email_sent"),
    ],
)
def test_the_samples_that_repeat_an_event_are_that_event(sample: str, same_as: str) -> None:
    assert parse(body_of_sample(sample)) == parse(body_of_sample(same_as))


_IDS = st.integers(1, 2**40)
_TEXTS = st.text(max_size=12)
_TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2026, 11, 20), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.isoformat()
)
_PARTS = {
    "lead": st.fixed_dictionaries(
        {}, optional={"id": _IDS, "email": _TEXTS, "first_name": _TEXTS, "tags": st.lists(_IDS)}
    ),
    "reply": st.fixed_dictionaries({}, optional={"id": _IDS, "uuid": st.uuids().map(str), "date_received": _TIMES}),
    "campaign_event": st.fixed_dictionaries({}, optional={"id": _IDS, "created_at": _TIMES}),
    "scheduled_email": st.fixed_dictionaries({}, optional={"id": _IDS, "email_subject": _TEXTS, "sent_at": _TIMES}),
    "campaign": st.fixed_dictionaries({}, optional={"id": _IDS, "name": _TEXTS}),
    "sender_email": st.fixed_dictionaries({}, optional={"id": _IDS, "email": _TEXTS, "updated_at": _TIMES}),
    "of_no_interest": st.recursive(st.none() | _TEXTS | _IDS, lambda inner: st.lists(inner, max_size=2), max_leaves=4),
}
_DATA = st.fixed_dictionaries({}, optional={name: part | st.none() for name, part in _PARTS.items()})


@given(
    event_type=st.sampled_from(HANDLED),
    data=_DATA,
    spell=st.sampled_from([str.upper, str.lower, str.title, lambda word: f" {word}\n"]),
    envelope=st.sampled_from(sorted(ENVELOPES)),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 2]),
)
def test_one_event_is_the_same_in_every_envelope_spelling_and_order(
    event_type: str, data: dict[str, Any], spell: Any, envelope: str, ascii_only: bool, indent: int | None
) -> None:
    first = parse(plain(event_type, data, CLAIMS))
    again = backwards(ENVELOPES[envelope](spell(event_type), data, CLAIMS))
    later = parse(json.dumps(again, ensure_ascii=ascii_only, indent=indent).encode(), now=NOW)
    assert later == first
    assert first.event is not None
    assert first.event.key.startswith(f"{event_type}:")


def test_parts_beside_the_event_are_its_data() -> None:
    data = data_of_sample("lead_replied")
    assert parse({"event": {"type": "lead_replied"}, **data}).event == event_of("lead_replied", data)
    assert parse({"data": {"event": "LEAD_REPLIED", **data}}).event == event_of("lead_replied", data)


def test_what_a_delivery_claims_of_itself() -> None:
    assert parse(plain("email_sent", {}, {})) == parse(plain("email_sent", {}, dict.fromkeys(CLAIMS)))
    text = parse(flat("email_sent", {}, {"workspace_id": "17", "instance_url": "SEND.example.com."}))
    assert (text.workspace_id, text.instance_host, text.workspace_name) == (17, "send.example.com", None)
    outside = {"workspace_id": 17, "payload": plain("email_sent", {}, {"workspace_id": None})}
    assert parse(outside).workspace_id == 17


NOT_AN_EVENT: list[tuple[object, tuple[str, ...]]] = [
    ({}, ("event: missing",)),
    ({"event": None, "data": {}}, ("event: missing",)),
    ({"event": ["email_sent"]}, ("event: missing",)),
    ({"payload": {"data": []}}, ("event: missing",)),
    ({"event": {}}, ("event.type: Input should be a valid string",)),
    ({"event": {"type": 5}}, ("event.type: Input should be a valid string",)),
    ({"event": "  "}, ("event.type: String should have at least 1 character",)),
    ({"event": "x" * 101}, ("event.type: String should have at most 100 characters",)),
    (plain("email_sent", {}, {"workspace_id": "secret"}), ("event.workspace_id: Value error, not a number",)),
    (plain("email_sent", {}, {"workspace_id": True}), ("event.workspace_id: Value error, not a number",)),
    (plain("email_sent", {}, {"instance_url": "http://[secret"}), ("event.instance_url: Value error, not an address",)),
    (plain("email_sent", {}, {"instance_url": 5}), ("event.instance_url: Value error, not an address",)),
    (plain("email_sent", ["secret"], {}), ("data: not an object",)),
    (plain("email_sent", "secret", {}), ("data: not an object",)),
    (plain("email_sent", 0, {}), ("data: not an object",)),
]


@pytest.mark.parametrize(("content", "details"), NOT_AN_EVENT, ids=range(len(NOT_AN_EVENT)))
def test_what_cannot_be_understood_is_refused_by_the_name_of_the_field(
    content: object, details: tuple[str, ...]
) -> None:
    refused = refusal(content)
    assert (refused.message, refused.details) == ("the delivery cannot be read", details)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not JSON"),
        (b"\xff{}", "the body is not UTF-8"),
        (b"[]", "the body is not a JSON object"),
        (b'{"event": NaN}', "the body is not JSON"),
        (b'{"event": 1e999}', "the body is not JSON"),
        (b'{"event":' + b"[" * 41 + b"]" * 41 + b"}", "the body is nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "the body is nested too deeply"),
    ],
    ids=range(7),
)
def test_what_is_no_json_object_is_refused(body: bytes, message: str) -> None:
    assert refusal(body).message == message


def test_characters_that_no_text_column_holds_are_replaced() -> None:
    body = rb'{"event": "lead_replied", "data": {"lead": {"id": 1, "first_name": "a\u0000\ud800"}}}'
    event = parse(body).event
    assert event is not None
    assert event.lead is not None
    assert event.lead.first_name == "a\ufffd\ufffd"


# --- identity --------------------------------------------------------------------------------------------------------


def test_the_identity_is_the_first_of_campaign_event_reply_and_mail() -> None:
    data: dict[str, Any] = {
        "campaign_event": {"id": 1},
        "reply": {"id": 2, "uuid": "ABC"},
        "scheduled_email": {"id": 3},
        "sender_email": {"id": 4, "email": "a@example.com", "updated_at": "2026-11-20T12:00:00Z"},
    }
    found = []
    for left_out in ("campaign_event", "uuid", "reply", "scheduled_email", "sender_email"):
        found.append(event_of("lead_replied", data).key)
        if left_out == "uuid":
            del data["reply"]["uuid"]
        else:
            del data[left_out]
    assert found[:4] == [
        "lead_replied:campaign_event:1",
        "lead_replied:reply:abc",
        "lead_replied:reply:2",
        "lead_replied:scheduled_email:3",
    ]
    # The mailbox says nothing of a mail.
    assert found[4].startswith("lead_replied:data:")


def test_ids_that_come_as_text_are_the_same_ids() -> None:
    assert event_of("email_sent", {"campaign_event": {"id": "12"}}).key == "email_sent:campaign_event:12"
    assert event_of("email_sent", {"campaign_event": {"id": 12.0}}).key == "email_sent:campaign_event:12"
    assert event_of("email_sent", {"lead": {"id": "9"}, "campaign": {"id": "5"}}).lead == BisonLead(9, *[None] * 5)


def test_the_time_of_an_account_has_one_spelling_in_the_key() -> None:
    keys = {
        event_of("email_account_added", {"sender_email": {"id": 1, "updated_at": spelling}}).key
        for spelling in ("2026-11-20T12:00:00.000000Z", "2026-11-20 12:00:00", "2026-11-20T14:00:00+02:00")
    }
    assert keys == {"email_account_added:sender_email:1:20261120T120000.000000Z"}


def test_an_account_disconnects_again_after_it_changed() -> None:
    first = {"sender_email": {"id": 1, "updated_at": "2026-11-20T12:00:00Z"}}
    again = {"sender_email": {"id": 1, "updated_at": "2026-11-20T12:30:00Z"}}
    names = ("email_account_disconnected", "email_account_reconnected")
    assert len({event_of(name, data).key for name in names for data in (first, again)}) == 4


def test_without_its_last_change_an_account_event_is_known_by_all_that_it_says() -> None:
    data = {"sender_email": {"id": 1, "email": "a@example.com", "emails_sent": 5}}
    key = event_of("email_account_disconnected", data).key
    assert key == event_of("email_account_disconnected", data, now=NOW + timedelta(days=2)).key
    data["sender_email"]["emails_sent"] = 6
    assert key != event_of("email_account_disconnected", data).key


def test_the_documents_own_example_counts_once() -> None:
    delivery = parse(body_of_sample("document"))
    event = delivery.event
    assert event is not None
    assert (delivery.workspace_name, delivery.instance_host) == ("Test Client", None)
    assert event == BisonEvent(f"email_sent:data:{EMPTY_HASH}", "email_sent", NOW)
    empties: list[object] = [[], None, {}]
    for empty in empties:
        assert event_of("email_sent", empty) == event
    assert parse({"event": "EMAIL_SENT"}).event == event


def test_the_documents_interested_lead_is_read_though_its_reply_has_no_identity() -> None:
    lead = {"id": 123, "email": "test@example.com", "first_name": "Test", "last_name": "User", "company": "Test Co"}
    event = event_of("lead_interested", {"lead": lead, "reply": {"date_received": "2025-10-09T12:00:00Z"}})
    assert event.lead == BisonLead(123, "test@example.com", "Test", "User", "Test Co", None)
    assert (event.reply, event.occurred_at) == (None, datetime(2025, 10, 9, 12, tzinfo=UTC))


# --- time ------------------------------------------------------------------------------------------------------------

EARLY, LATE = "2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z"


@pytest.mark.parametrize(
    ("event_type", "data", "expected"),
    [
        ("email_sent", {"campaign_event": {"created_at": LATE}, "scheduled_email": {"sent_at": EARLY}}, LATE),
        ("lead_replied", {"reply": {"date_received": LATE}, "scheduled_email": {"sent_at": EARLY}}, LATE),
        ("email_sent", {"scheduled_email": {"sent_at": EARLY}, "sender_email": {"updated_at": LATE}}, EARLY),
        ("email_sent", {"sender_email": {"updated_at": EARLY}}, None),
        ("email_account_added", {"sender_email": {"updated_at": EARLY}}, EARLY),
        ("email_sent", {"campaign_event": {"created_at": "2026-11-20 10:00:00"}}, EARLY),
        ("email_sent", {"campaign_event": {"created_at": "2026-11-20T11:00:00+01:00"}}, EARLY),
        ("email_sent", {"campaign_event": {"created_at": "2026-11-21T13:00:00Z"}}, "2026-11-21T13:00:00Z"),
        ("email_sent", {"campaign_event": {"created_at": "2026-11-21T13:00:01Z"}}, None),
        ("email_sent", {"campaign_event": {"created_at": "1970-01-01T00:00:00Z"}}, None),
        ("email_sent", {"campaign_event": {"created_at": "0000-00-00 00:00:00"}}, None),
        ("email_sent", {"campaign_event": {"created_at": "0001-01-01T00:00:00+23:00"}}, None),
        ("email_sent", {"campaign_event": {"created_at": 1763632800}}, None),
        ("email_sent", {"campaign_event": {"created_at": "soon"}, "scheduled_email": {"sent_at": EARLY}}, EARLY),
    ],
)
def test_when_it_happened(event_type: str, data: dict[str, Any], expected: str | None) -> None:
    moment = NOW if expected is None else datetime.fromisoformat(expected)
    found = event_of(event_type, data).occurred_at
    assert (found, found.utcoffset()) == (moment, timedelta(0))


# --- what is broken --------------------------------------------------------------------------------------------------


_MEMBERS = [
    *("id", "uuid", "email", "name", "status", "tags", "parent_id", "text_body", "email_subject", "automated_reply"),
    *("created_at", "updated_at", "date_received", "sent_at", "emails_sent_count"),
]


@pytest.mark.parametrize("event_type", HANDLED)
@given(
    data=st.dictionaries(
        st.sampled_from(["lead", "reply", "campaign_event", "scheduled_email", "campaign", "sender_email"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(_MEMBERS),
                    inner,
                )
            ),
            max_leaves=8,
        ),
    )
)
def test_nothing_that_is_broken_inside_loses_the_event(event_type: str, data: dict[str, Any]) -> None:
    event = event_of(event_type, data)
    assert event.kind == HANDLED_EVENTS[event_type]
    assert len(event.key) < 300
    assert timedelta(0) <= NOW + timedelta(days=1) - event.occurred_at


def test_a_broken_part_is_left_out_and_the_rest_is_read() -> None:
    data = data_of_sample("lead_replied")
    data["lead"] = {"id": "nine", "email": 5}
    data["campaign"] = "Autumn"
    event = event_of("lead_replied", data)
    assert (event.lead, event.campaign_id, event.campaign_name) == (None, None, None)
    assert event.reply is not None
    assert event.key == KEYS["lead_replied"]


@pytest.mark.parametrize(
    ("event_type", "given", "status"),
    [
        ("email_account_disconnected", None, "Disconnected"),
        ("email_account_disconnected", "connected", "Connected"),
        ("email_account_removed", None, "Disconnected"),
        ("email_account_added", None, "Connected"),
        ("email_sent", None, "Connected"),
        ("email_sent", "Not connected", "Disconnected"),
    ],
)
def test_the_status_of_an_account_is_as_told_else_as_the_event_suggests(
    event_type: str, given: str | None, status: str
) -> None:
    account = event_of(event_type, {"sender_email": {"id": 1, "email": "a@example.com", "status": given}}).account
    assert account is not None
    assert account.status == status


def test_every_sample_is_a_request_of_the_http_api() -> None:
    for path in SAMPLES.glob("*.json"):
        event = json.loads(path.read_text())
        token = event["pathParameters"]["token"]
        assert event["rawPath"] == event["requestContext"]["http"]["path"] == f"/webhooks/bison/{token}"
        assert event["headers"].get("content-length", "0") == str(len(event.get("body", "").encode()))
