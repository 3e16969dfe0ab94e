"""What one delivery of Resend does, and who may deliver."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from crm_relay.platform.database import Database
from local.simulators.resend import MovableClock, ResendSimulator
from resend_webhook.handler import handler
from tests.support.mail.mail_harness import MONDAY, MailHarness, enroll
from tests.support.mail.resend_webhook_function import ANOTHER, SECRET, configure, deliver, mail_event, signed
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import one, rows_of

EVENTS = sorted((Path(__file__).parents[3] / "events" / "resend_webhook").glob("*.json"))


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    configure(monkeypatch, database_url)


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


@pytest.fixture
def ada(post: MailHarness) -> tuple[UUID, str]:
    """A mail that was sent: its id here, and there."""
    (send,) = post.queue("ada")
    post.send()
    return send, post.simulator.mail_to("ada@example.com").id


def kept(database: Database) -> int:
    return int(one(database, "select count(*)::integer as number from webhook_inbox")["number"])


def test_a_days_events_reach_their_mail(post: MailHarness, ada: tuple[UUID, str]) -> None:
    send, email_id = ada
    for kind, at in (("sent", 1), ("delivered", 5), ("opened", 30)):
        answer = deliver(mail_event(kind, email_id, send=send, at=f"2026-11-16T15:00:{at:02}.000Z"))
        assert (answer["status"], answer["events_processed"]) == (200, 1)
    row = post.rows()["ada"]
    assert (row["status"], row["opened_count"], row["human_opens"]) == ("opened", 1, 1)
    assert row["delivered_at"] == datetime(2026, 11, 16, 15, 0, 5, tzinfo=UTC)
    assert kept(post.db) == 3


def test_the_simulators_own_webhooks_are_understood(post: MailHarness) -> None:
    post.queue("ada", "bob", "cyd")
    post.send()
    simulator = post.simulator
    mails = {name: simulator.mail_to(f"{name}@example.com") for name in ("ada", "bob", "cyd")}
    messages = [
        simulator.delivered(mails["ada"]),
        simulator.clicked(mails["ada"]),
        simulator.bounced(mails["bob"]),
        simulator.complained(mails["cyd"]),
    ]
    answers = [deliver(each.body, signed(each.body, delivery_id=each.svix_id)) for each in messages]
    assert {answer["status"] for answer in answers} == {200}
    assert post.status() == {"ada": "clicked", "bob": "bounced", "cyd": "spam"}
    kinds = {row["address"]: row["kind"] for row in rows_of(post.db, "select address, kind from consent_events")}
    assert kinds == {"bob@example.com": "hard_bounce", "cyd@example.com": "complaint"}


@pytest.mark.parametrize(
    ("kind", "details", "status"),
    [
        ("complained", {}, "unsubscribed"),
        ("bounced", {"bounce": {"type": "Permanent"}}, "bounced"),
        ("bounced", {"bounce": {"type": "Transient"}}, "active"),
    ],
)
def test_what_mutes_an_address_ends_its_sequences(
    post: MailHarness, kind: str, details: dict[str, Any], status: str
) -> None:
    theirs = enroll(post.db, "ada")
    (send,) = post.queue("ada", **theirs)
    post.send()
    email_id = post.simulator.mail_to("ada@example.com").id
    assert deliver(mail_event(kind, email_id, send=send, **details))["events_processed"] == 1
    assert one(post.db, "select status from campaign_enrollments")["status"] == status


# --- who may deliver --------------------------------------------------------------------------------------------------


BODY = mail_event("opened")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {name: text for name, text in signed(BODY).items() if name != "svix-signature"},
        {name: text for name, text in signed(BODY).items() if name != "svix-id"},
        {name: text for name, text in signed(BODY).items() if name != "svix-timestamp"},
        signed(BODY, ANOTHER),
        signed(BODY + b" "),
        signed(BODY, version="v1a"),
        signed(BODY, seconds_ago=301),
        signed(BODY, seconds_ago=-3600),
        signed(BODY) | {"svix-id": "msg_other"},
        signed(BODY) | {"svix-signature": "v1,é"},
    ],
)
def test_whoever_cannot_prove_it_is_refused_and_nothing_is_kept(database: Database, headers: dict[str, str]) -> None:
    assert deliver(BODY, headers)["status"] == 401
    assert kept(database) == 0


def test_without_a_configured_secret_everything_is_refused(
    monkeypatch: pytest.MonkeyPatch, database_url: str, database: Database
) -> None:
    configure(monkeypatch, database_url, RESEND_WEBHOOK_SECRET="")
    assert deliver(BODY)["status"] == 401
    assert kept(database) == 0


def test_while_a_secret_is_replaced_both_are_valid(
    monkeypatch: pytest.MonkeyPatch, database_url: str, database: Database
) -> None:
    configure(monkeypatch, database_url, RESEND_WEBHOOK_SECRET=f"{ANOTHER},{SECRET}")
    assert deliver(BODY, signed(BODY, SECRET))["status"] == 200
    assert deliver(BODY, signed(BODY, ANOTHER))["status"] == 200
    configure(monkeypatch, database_url, RESEND_WEBHOOK_SECRET=ANOTHER)
    assert deliver(BODY, signed(BODY, SECRET, ANOTHER))["status"] == 200
    assert deliver(BODY, signed(BODY, SECRET))["status"] == 401
    assert kept(database) == 3


# --- once -------------------------------------------------------------------------------------------------------------


def test_a_delivery_is_known_by_its_signed_id_however_it_comes_again(post: MailHarness, ada: tuple[UUID, str]) -> None:
    send, email_id = ada
    first = mail_event("opened", email_id, send=send)
    respelt = json.dumps(json.loads(first), indent=1).encode()
    deliver(first, signed(first, delivery_id="msg_1"))
    again = deliver(first, signed(first, delivery_id="msg_1", seconds_ago=60))
    other = deliver(respelt, signed(respelt, delivery_id="msg_1"))
    assert [answer["duplicates"] for answer in (again, other)] == [1, 1]
    assert (post.rows()["ada"]["opened_count"], kept(post.db)) == (1, 1)


def test_two_deliveries_with_the_same_body_are_two_events(post: MailHarness, ada: tuple[UUID, str]) -> None:
    send, email_id = ada
    body = mail_event("opened", email_id, send=send)
    assert [deliver(body)["events_processed"] for _ in range(2)] == [1, 1]
    assert post.rows()["ada"]["opened_count"] == 2


def test_one_event_costs_three_round_trips_and_no_more(
    post: MailHarness, ada: tuple[UUID, str], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, email_id = ada
    with CountingProxy(database_url) as proxy:
        configure(monkeypatch, proxy.url)
        for kind in ("delivered", "opened", "clicked", "bounced", "complained"):
            proxy.forget()
            details: dict[str, Any] = {"bounce": {"type": "Permanent"}} if kind == "bounced" else {}
            assert deliver(mail_event(kind, email_id, send=send, **details))["events_processed"] == 1
            assert len(proxy.queries) <= 3, kind


# --- what else is told ------------------------------------------------------------------------------------------------


def deliver_event(event: str, data: dict[str, Any]) -> dict[str, Any]:
    return deliver(json.dumps({"type": event, "created_at": "2026-11-16T15:00:00.000Z", "data": data}).encode())


def test_who_unsubscribes_at_resend_has_opted_out_here(database: Database) -> None:
    contact = {"id": "c_1", "email": "Ada@Example.com", "unsubscribed": True}
    assert deliver_event("contact.updated", contact)["events_processed"] == 1
    (entry,) = rows_of(database, "select address, kind, source from consent_events")
    assert entry == {"address": "ada@example.com", "kind": "opt_out", "source": "resend"}


def test_a_contact_that_is_subscribed_there_lifts_nothing_here(database: Database) -> None:
    deliver_event("contact.updated", {"id": "c_1", "email": "ada@example.com", "unsubscribed": True})
    assert (
        deliver_event("contact.updated", {"id": "c_1", "email": "ada@example.com", "unsubscribed": False})["ignored"]
        == 1
    )
    row = one(database, "select suppressed_by from suppression(default_org_id(), 'email', 'ada@example.com')")
    assert row["suppressed_by"] == "opt_out"


def test_a_topic_that_was_left_at_resend_is_left_here(database: Database) -> None:
    topics = [{"id": "t_news", "subscription": "opt_out"}, {"id": "t_offers", "subscription": "opt_in"}]
    assert (
        deliver_event("contact.topics.updated", {"email": "ada@example.com", "topics": topics})["events_processed"] == 1
    )
    assert deliver_event("contact.topics.updated", {"email": "ada@example.com", "topics": topics})["duplicates"] == 1
    (left,) = rows_of(database, "select address, topic, source from topic_opt_outs")
    assert left == {"address": "ada@example.com", "topic": "t_news", "source": "resend"}


@pytest.mark.parametrize(
    ("origin", "kind"),
    [("bounce", "hard_bounce"), ("complaint", "complaint"), ("manual", "opt_out"), (None, "opt_out")],
)
def test_what_resend_suppresses_is_suppressed_here(database: Database, origin: str | None, kind: str) -> None:
    data = {"id": "s_1", "email": "ada@example.com", "origin": origin}
    assert deliver_event("suppression.added", data)["events_processed"] == 1
    assert one(database, "select kind from consent_events")["kind"] == kind


def test_a_type_that_nobody_knows_is_kept_counted_and_told_once(database: Database) -> None:
    for _ in range(3):
        answer = deliver_event("mailbox.teleported", {"id": "1"})
        assert (answer["status"], answer["ignored"]) == (200, 1)
    assert kept(database) == 3
    (incident,) = rows_of(database, "select kind, subject from incidents")
    assert incident == {"kind": "unknown_event", "subject": "resend:mailbox.teleported"}


def test_a_reply_is_kept_with_the_addresses_that_it_went_to_and_waits_for_its_headers(database: Database) -> None:
    data = {
        "email_id": "in_1",
        "created_at": "2026-11-16T14:59:00.000Z",
        "from": "Ada <ada@example.com>",
        "to": ["Reply+ABC@in.example.com"],
        "cc": ["boss@example.com"],
        "subject": "Re: Hello",
        "message_id": "<1@mail.example.org>",
    }
    assert deliver_event("email.received", data)["events_processed"] == 1
    assert deliver_event("email.received", data)["duplicates"] == 1
    (item,) = rows_of(
        database,
        "select source, external_id, subject, to_addresses, received_at, headers_read_at, followed_at from inbox_items",
    )
    assert item["to_addresses"] == ["boss@example.com", "reply+abc@in.example.com"]
    assert (item["source"], item["external_id"], item["headers_read_at"]) == ("resend", "in_1", None)
    assert item["received_at"] == datetime(2026, 11, 16, 14, 59, tzinfo=UTC)


def test_a_reply_of_somebody_who_was_erased_is_not_kept(database: Database) -> None:
    rows_of(
        database,
        """insert into consent_events (channel, address, kind, source, occurred_at)
           select 'email', erased_key('ada@example.com', value), 'erased', 'erase', now()
           from installation_settings where key = 'erasure_salt'""",
    )
    assert deliver_event("email.received", {"email_id": "in_1", "from": "ada@example.com", "to": ["x@in.example.com"]})
    assert rows_of(database, "select from inbox_items") == []
    assert "ada@example.com" not in one(database, "select body from webhook_inbox")["body"]


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_sample_event_is_answered_as_its_name_says(database: Database, path: Path) -> None:
    event = json.loads(path.read_text())
    if "svix-id" in event["headers"]:
        # What was signed then is stale by now.
        assert handler(event, None)["statusCode"] == 401
        event["headers"] |= signed(event["body"].encode(), delivery_id=event["headers"]["svix-id"])
    expected = {"options": 204, "wrong_method": 405, "unsigned": 401}.get(path.stem, 200)
    assert handler(event, None)["statusCode"] == expected
