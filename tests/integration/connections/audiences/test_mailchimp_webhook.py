"""Deliveries of an audience's webhook: who is let in, what they do, and that nothing of ours echoes."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
import requests

from crm_relay.connections.audiences.ensure_hook import ensure_hook
from crm_relay.consent.erase import block_return
from crm_relay.consent.person import Person
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.mailchimp.webhook import webhook_token
from crm_relay.sources.mailchimp import MAILCHIMP, MailchimpKeys
from crm_relay.webhooks.receive import apply_once
from local.simulators.http_server import Incoming, Outgoing, ServedSimulator
from local.simulators.mailchimp import MailchimpSimulator
from local.simulators.mailchimp.api.hooks import body_of, signature
from mailchimp_webhook.handler import handler
from mailchimp_webhook.wiring import installation
from tests.support.connections.mailchimp_sync_stage import MailchimpSync
from tests.support.function_settings import WITHOUT_AWS
from tests.support.platform.rows import one, rows_of

KEY = "a-webhook-key-of-32-letters-or-so"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def connection(stage: MailchimpSync) -> UUID:
    return stage.link()


class HookRequest:
    """As the edge hands it on."""

    def __init__(self, token: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.path_parameters, self.body, self.headers = {"token": token}, body, headers or {}


def form(stage: MailchimpSync, kind: str, at: str = "2026-11-30 11:59:00", **data: Any) -> bytes:
    return body_of(kind, at, {"list_id": stage.people.audience.id, **data})


def deliver(db: Database, connection: UUID, body: bytes) -> Any:
    request = HookRequest(webhook_token(connection, [KEY]), body)
    return apply_once(db, MAILCHIMP, MAILCHIMP.receive(request, MailchimpKeys([KEY]), NOW))


def test_who_leaves_is_out_at_once_and_once(stage: MailchimpSync, connection: UUID) -> None:
    body = form(stage, "unsubscribe", action="unsub", reason="manual", email="Left+1@x.example")
    assert deliver(stage.db, connection, body).processed == 1
    assert deliver(stage.db, connection, body).duplicates == 1
    assert stage.ledger() == [("opt_out", "left+1@x.example")]
    row = one(stage.db, "select occurred_at, org_id from consent_events where source = 'mailchimp'")
    assert (row["occurred_at"], row["org_id"]) == (datetime(2026, 11, 30, 11, 59, tzinfo=UTC), stage.org)


@pytest.mark.parametrize(
    ("kind", "data", "ledger"),
    [
        ("cleaned", {"reason": "hard", "email": "a@x.example"}, [("hard_bounce", "a@x.example")]),
        ("unsubscribe", {"action": "unsub", "reason": "abuse", "email": "a@x.example"}, [("opt_out", "a@x.example")]),
        ("unsubscribe", {"action": "delete", "reason": "manual", "email": "a@x.example"}, []),
        ("unsubscribe", {"action": "delete", "reason": "abuse", "email": "a@x.example"}, [("opt_out", "a@x.example")]),
        ("subscribe", {"email": "a@x.example"}, []),
        ("profile", {"email": "a@x.example", "merges": {"FNAME": "Ada"}}, []),
        ("upemail", {"new_email": "b@x.example", "old_email": "a@x.example"}, []),
    ],
)
def test_every_event_brings_the_sync_forward(
    stage: MailchimpSync, connection: UUID, kind: str, data: dict[str, Any], ledger: list[tuple[str, str]]
) -> None:
    rows_of(stage.db, "update integration_connections set next_sync_at = :at", at=NOW + timedelta(days=1))
    assert deliver(stage.db, connection, form(stage, kind, **data)).processed == 1
    assert stage.ledger() == ledger
    assert stage.row(connection)["next_sync_at"] == NOW


@pytest.mark.parametrize("kind", ["campaign", "sms_subscribe"])
def test_what_means_nothing_is_ignored(stage: MailchimpSync, connection: UUID, kind: str) -> None:
    assert deliver(stage.db, connection, form(stage, kind)).ignored == 1


def test_another_audience_and_a_removed_connection_have_no_effect(stage: MailchimpSync, connection: UUID) -> None:
    foreign = form(stage, "unsubscribe", email="a@x.example").replace(stage.people.audience.id.encode(), b"other")
    assert deliver(stage.db, connection, foreign).refused is not None
    body = form(stage, "unsubscribe", email="a@x.example")
    assert deliver(stage.db, uuid4(), body).refused is not None
    assert stage.ledger() == []


def test_an_erased_person_does_not_come_back_by_a_delivery(stage: MailchimpSync, connection: UUID) -> None:
    block_return(stage.db, Person(addresses=frozenset({"gone@x.example"})), NOW)
    assert deliver(stage.db, connection, form(stage, "unsubscribe", email="gone@x.example")).ignored == 1
    assert stage.ledger() == []
    kept = one(stage.db, "select * from webhook_inbox")
    assert "gone" not in str(kept)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"\xff\xfe", "no form"),
        (b"", "type: missing"),
        (b"type=unsubscribe&data%5Blist_id%5D=x", r"data\[email\]: missing"),
        (b"type=cleaned&data%5Bemail%5D=a%40x.example", r"data\[list_id\]: missing"),
        (b"&".join(b"a=1" for _ in range(501)), "no form"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_the_field(body: bytes, problem: str) -> None:
    request = HookRequest(webhook_token(uuid4(), [KEY]), body)
    with pytest.raises(RejectedInput) as refused:
        MAILCHIMP.receive(request, MailchimpKeys([KEY]), NOW)
    assert refused.value.status == 400
    assert refused.match("cannot be read")
    assert any(re.search(problem, each) for each in refused.value.details)


def test_only_our_own_tokens_let_in(connection: UUID) -> None:
    token, body = webhook_token(connection, [KEY]), b"type=campaign"
    assert MAILCHIMP.receive(HookRequest(token, body), MailchimpKeys(["another-key-of-16", KEY]), NOW).parsed
    other = webhook_token(uuid4(), [KEY])
    forged = base64.urlsafe_b64encode(connection.bytes + base64.urlsafe_b64decode(other + "=")[16:]).decode()[:43]
    for given, keys in ((token, []), (forged, [KEY]), (token[:-1], [KEY]), ("", [KEY]), (token, ["another-key-of-16"])):
        with pytest.raises(RejectedInput) as refused:
            MAILCHIMP.receive(HookRequest(given, body), MailchimpKeys(keys), NOW)
        assert refused.value.status == 401


def test_a_signature_is_asked_for_where_one_is_agreed(connection: UUID) -> None:
    token, body = webhook_token(connection, [KEY]), b"type=campaign"
    at, keys = int(NOW.timestamp()), MailchimpKeys([KEY], ["a-signing-secret-of-mailchimp", "another-secret-of-16"])
    good = signature("another-secret-of-16", at, body)
    assert MAILCHIMP.receive(HookRequest(token, body, {"x-mailchimp-signature": good}), keys, NOW).parsed
    for header in (
        "",
        signature("a-third-secret-of-16", at, body),
        signature("another-secret-of-16", at, body + b" "),
        signature("another-secret-of-16", at - 301, body),
        good.replace("v1=", "v0="),
    ):
        with pytest.raises(RejectedInput) as refused:
            MAILCHIMP.receive(HookRequest(token, body, {"x-mailchimp-signature": header}), keys, NOW)
        assert refused.value.status == 401


class HookEdge(ServedSimulator):
    """Hands requests to the function as API Gateway does, with the body in base64."""

    def answer(self, incoming: Incoming) -> Outgoing:
        event = {
            "rawPath": incoming.path,
            "headers": {name.lower(): value for name, value in incoming.headers.items()},
            "requestContext": {"http": {"method": incoming.method, "path": incoming.path}},
            "pathParameters": {"token": incoming.path.rpartition("/")[2]},
            "body": base64.b64encode(incoming.body).decode(),
            "isBase64Encoded": True,
        }
        answer = handler(event, None)
        return Outgoing(answer["statusCode"], {"Content-Type": "application/json"}, str(answer["body"] or "").encode())


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[HookEdge]:
    for name, value in (
        WITHOUT_AWS
        | {
            "DATABASE_URL": database_url,
            "MAILCHIMP_WEBHOOK_KEY": KEY,
            "DEFERRED_QUEUE_URL": "http://127.0.0.1:9/queue",
            "OVERSIZE_BUCKET": "bucket",
            "COORDINATION_TABLE": "table",
        }
    ).items():
        monkeypatch.setenv(name, value)
    installation.forget()
    with HookEdge() as running:
        yield running
    installation.forget()


def test_mailchimp_finds_the_address_and_reports_no_change_of_ours(
    stage: MailchimpSync, connection: UUID, edge: HookEdge, sim: MailchimpSimulator
) -> None:
    made = ensure_hook(stage.open(connection), edge.url, (KEY,))
    assert (made.is_new, made.signing_secret) == (True, None)
    assert not ensure_hook(stage.open(connection), edge.url, (KEY,)).is_new
    (hook,) = stage.people.audience.hooks
    assert (hook.sources, hook.events["campaign"]) == ({"user": True, "admin": True, "api": False}, False)
    with pytest.raises(RejectedInput):
        ensure_hook(stage.open(connection), f"{edge.url}/nowhere", ("another-key-of-16",))


def test_the_function_answers_a_look_a_delivery_and_everything_else(
    stage: MailchimpSync, connection: UUID, edge: HookEdge
) -> None:
    url = f"{edge.url}/webhooks/mailchimp/{webhook_token(connection, [KEY])}"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    body = form(stage, "unsubscribe", email="left@x.example")
    assert requests.get(url, timeout=5).json() == {"success": True}
    assert requests.head(url, timeout=5).status_code == 200
    assert requests.get(url[:-1] + "!", timeout=5).status_code == 401
    assert requests.put(url, data=body, headers=kind, timeout=5).status_code == 405
    assert requests.post(url, json={}, timeout=5).status_code == 415
    assert requests.post(url, data=urlencode({"a": 1}), headers=kind, timeout=5).status_code == 400
    assert requests.post(url, data=body, headers=kind, timeout=5).json()["events_processed"] == 1
    assert stage.ledger() == [("opt_out", "left@x.example")]
