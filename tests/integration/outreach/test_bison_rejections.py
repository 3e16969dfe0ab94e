"""Who is not let in leaves nothing behind, and what is not understood or not ours has no effect."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_relay.outreach import store
from crm_relay.outreach.models import Selection
from crm_relay.outreach.polling.watch_workspaces import watch_workspaces
from crm_relay.outreach.refuse_call import note_rejection
from crm_relay.outreach.replay_deliveries import replay_deliveries
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.providers.bison import webhook
from crm_relay.sources.bison import bison_source
from tests.conftest import ROOT
from tests.support.log import listening
from tests.support.outreach.bison_events import account_event, address, counters, logged, mail
from tests.support.outreach.bison_webhook_function import (
    CONTOSO,
    NORTHWIND,
    TOKENS,
    configure,
    deliver,
    delivery,
    plant_workspaces,
    tables,
)
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import one, rows_of

WRONG = "a-token-that-is-nobodys"
INCIDENTS = "select kind, subject, workspace_name, closed_at is null as open from incidents order by id"
HEALTH = "select webhook_count_24h, success_rate_24h, is_healthy from webhook_health where workspace_name = 'Northwind'"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SOURCE = bison_source("send.example.com")
RETIRED = "northwind-token-of-old"


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> None:
    """Configured for this test's database, in which both workspaces are known."""
    configure(monkeypatch, database_url)
    plant_workspaces(database)


def nothing_is_kept(database: Database) -> bool:
    places = ("webhook_inbox", "webhook_delivery_log", "webhook_delivery_slots", "client_metrics", "client_leads")
    return not any(rows_of(database, f"select 1 as n from {place}") for place in places)


# --- the token --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [WRONG, "", TOKENS[NORTHWIND][:-1], TOKENS[NORTHWIND].upper(), "é" * 20])
def test_without_a_valid_token_nothing_is_kept(database: Database, token: str) -> None:
    answer = deliver(mail("email_sent", 1), token=token)
    assert answer == {"status": 401, "error": "unknown token", "details": []}
    assert nothing_is_kept(database)


def test_a_request_that_has_no_token_in_its_path_is_refused(database: Database) -> None:
    assert deliver(mail("email_sent", 1), pathParameters=None)["status"] == 401
    assert nothing_is_kept(database)


def test_where_no_tokens_are_configured_every_delivery_is_refused(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, database_url, BISON_WEBHOOK_TOKENS="{}")
    for token in (TOKENS[NORTHWIND], "", WRONG):
        assert deliver(mail("email_sent", 1), token=token)["status"] == 401
    configure(monkeypatch, database_url, BISON_WEBHOOK_TOKENS='{"Northwind": []}')
    assert deliver(mail("email_sent", 1))["status"] == 401
    assert nothing_is_kept(database)


@pytest.mark.parametrize(("minutes", "status"), [(5, 200), (-5, 401)])
def test_a_token_that_is_replaced_is_valid_until_it_is_retired(
    database_url: str, monkeypatch: pytest.MonkeyPatch, minutes: int, status: int
) -> None:
    until = (utc_now() + timedelta(minutes=minutes)).isoformat()
    tokens = {NORTHWIND: [{"token": "the-older-token-0001", "until": until}, TOKENS[NORTHWIND]]}
    configure(monkeypatch, database_url, BISON_WEBHOOK_TOKENS=json.dumps(tokens))
    assert deliver(mail("email_sent", 1), token="the-older-token-0001")["status"] == status
    assert deliver(mail("email_sent", 2))["status"] == 200


def test_no_token_is_ever_logged_nor_kept(database: Database) -> None:
    with listening() as said:
        deliver(mail("email_sent", 1))
        deliver(mail("email_sent", 1), token=WRONG)
        deliver(b"{", token=TOKENS[NORTHWIND])
        deliver(mail("email_sent", 2, workspace=CONTOSO))
        deliver(delivery("mailbox_teleported", {}))
    assert said()
    kept = str([rows_of(database, f"select * from {table}") for table in ("webhook_inbox", "webhook_delivery_log")])
    for token in (*TOKENS.values(), WRONG):
        assert token not in said()
        assert token not in kept


def test_the_access_log_says_the_route_and_never_the_path() -> None:
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    line_format = template.partition("AccessLogSettings:")[2].partition("DefaultRouteSettings:")[0]
    assert "$context.routeKey" in line_format
    for telling in ("$context.path", "$context.http.path", "rawPath", "$context.domain"):
        assert telling not in line_format


# --- ten in a row -----------------------------------------------------------------------------------------------------


def refused(times: int, body: bytes | None = None, *, token: str = WRONG) -> None:
    for number in range(times):
        assert deliver(body or mail("email_sent", number), token=token)["status"] == 401


def raised(subject: str, *, is_open: bool = True) -> dict[str, Any]:
    name = None if subject == "unknown" else subject
    return {"kind": "secret_mismatch", "subject": subject, "workspace_name": name, "open": is_open}


@pytest.fixture
def retired(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """Northwind's old token was taken away a minute ago."""
    until = (utc_now() - timedelta(minutes=1)).isoformat()
    tokens = {**TOKENS, NORTHWIND: [{"token": RETIRED, "until": until}, TOKENS[NORTHWIND]]}
    configure(monkeypatch, database_url, BISON_WEBHOOK_TOKENS=json.dumps(tokens))


@pytest.mark.usefixtures("retired")
def test_ten_calls_with_a_retired_token_are_one_incident_that_a_good_delivery_ends(database: Database) -> None:
    refused(9, token=RETIRED)
    assert rows_of(database, INCIDENTS) == []
    refused(6, token=RETIRED)
    assert rows_of(database, INCIDENTS) == [raised(NORTHWIND)]
    watch_workspaces(database, utc_now())
    assert rows_of(database, INCIDENTS) == [raised(NORTHWIND)]
    deliver(mail("email_sent", 100))
    watch_workspaces(database, utc_now())
    mismatches = [row for row in rows_of(database, INCIDENTS) if row["kind"] == "secret_mismatch"]
    assert mismatches == [raised(NORTHWIND, is_open=False)]


@pytest.mark.usefixtures("retired")
def test_a_good_delivery_or_an_hour_of_peace_begins_a_new_row(database: Database) -> None:
    refused(9, token=RETIRED)
    deliver(mail("email_sent", 100))
    refused(9, token=RETIRED)
    rows_of(database, "update webhook_rejections set last_at = last_at - interval '61 minutes'")
    refused(9, token=RETIRED)
    assert rows_of(database, INCIDENTS) == []
    assert one(database, "select in_a_row from webhook_rejections")["in_a_row"] == 9


def test_ten_calls_with_a_token_that_nobody_has_are_one_incident_of_nobody(database: Database) -> None:
    refused(9)
    assert rows_of(database, INCIDENTS) == []
    refused(6)
    deliver(mail("email_sent", 100))
    watch_workspaces(database, utc_now())
    assert rows_of(database, INCIDENTS) == [raised("unknown")]


@pytest.mark.usefixtures("retired")
def test_calls_of_two_kinds_are_two_rows(database: Database) -> None:
    for _ in range(9):
        refused(1, token=RETIRED)
        refused(1)
    assert rows_of(database, INCIDENTS) == []
    refused(1)
    refused(1, token=RETIRED)
    assert rows_of(database, INCIDENTS) == [raised("unknown"), raised(NORTHWIND)]


def test_the_tenth_call_that_four_at_once_make_raises_one_incident(database: Database) -> None:
    start = threading.Barrier(4)

    def call(_: int) -> None:
        start.wait()
        refused(5)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(call, range(4)))
    assert len(rows_of(database, INCIDENTS)) == 1
    assert one(database, "select in_a_row from webhook_rejections")["in_a_row"] >= 10


@pytest.mark.parametrize("number", [17, "17", 10**30, None])
def test_a_body_raises_no_incident_in_the_name_of_the_workspace_that_it_claims(
    database: Database, number: object
) -> None:
    refused(10, delivery("email_sent", {}, workspace_id=number))
    assert rows_of(database, INCIDENTS) == [raised("unknown")]


def test_the_body_of_a_refused_call_is_not_parsed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    monkeypatch.setattr(webhook, "read_json_object", parsed.append)
    refused(10, b"[" * 1_000_000)
    assert parsed == []
    assert [row["subject"] for row in rows_of(database, INCIDENTS)] == ["unknown"]


def test_once_the_alert_is_raised_refused_calls_cost_no_statement_for_a_minute(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CountingProxy(database_url) as proxy:
        configure(monkeypatch, proxy.url)
        counts = []
        for _ in range(13):
            before = len(proxy.queries)
            refused(1)
            counts.append(len(proxy.queries) - before)
    assert (counts[1], counts[10:]) == (1, [0, 0, 0])


def test_a_tenth_call_that_could_not_be_told_is_told_by_the_next(database: Database) -> None:
    refused(9)
    rows_of(database, "alter table incidents rename to incidents_away")
    refused(1)
    rows_of(database, "alter table incidents_away rename to incidents")
    assert rows_of(database, INCIDENTS) == []
    refused(1)
    assert len(rows_of(database, INCIDENTS)) == 1


# --- the request and the body -----------------------------------------------------------------------------------------


def test_a_request_of_another_form_is_refused_before_it_is_looked_at(database: Database) -> None:
    body = mail("email_sent", 1)
    assert deliver(body, requestContext={"http": {"method": "GET", "path": "/"}})["status"] == 405
    assert deliver(body, headers={"content-type": "text/html"})["status"] == 415
    assert deliver(b" " * (5 * 1024 * 1024) + body)["status"] == 413
    assert deliver(b"", requestContext={"http": {"method": "OPTIONS"}})["status"] == 204
    assert nothing_is_kept(database)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"[]",
        b'{"data": {}}',
        b'{"event": {}, "data": {}}',
        b'{"event": {"type": ""}, "data": {}}',
        b'{"event": {"type": "email_sent", "workspace_id": "x"}, "data": {}}',
        b'{"event": {"type": "email_sent", "instance_url": "http://["}, "data": {}}',
        b'{"event": {"type": "email_sent"}, "data": "secret words"}',
        b'{"event": {"type": "' + b"a" * 101 + b'"}, "data": {}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_body_that_says_nothing_is_a_failure_that_the_workspaces_health_shows(
    database: Database, body: bytes
) -> None:
    deliver(mail("email_sent", 1))
    assert one(database, HEALTH)["is_healthy"]
    answer = deliver(body)
    assert answer["status"] == 400
    assert one(database, HEALTH) == {"webhook_count_24h": 2, "success_rate_24h": 50, "is_healthy": False}
    (_, line) = logged(database, "event_type, success, error_message, amount")
    assert (line["event_type"], line["success"], line["amount"]) == ("unreadable", False, 0)
    assert "secret words" not in line["error_message"]
    assert len(rows_of(database, "select id from webhook_inbox")) == 1


# --- another workspace's body -----------------------------------------------------------------------------------------

REFUSED = {"status": 403, "error": "the body is of another workspace or instance than the token", "details": []}


@pytest.mark.parametrize("claims", [{"workspace_id": 18}, {"instance_url": "https://other.example.net"}])
def test_a_body_of_another_workspace_or_instance_waits_without_effect(
    database: Database, claims: dict[str, Any]
) -> None:
    body = delivery("lead_unsubscribed", {"lead": {"id": 1, "email": address(1)}}, **claims)
    for _ in range(2):
        assert deliver(body) == REFUSED
    assert not any(tables(database).values())
    waiting = one(database, "select applied_at, error, body from webhook_inbox")
    assert (waiting["applied_at"], waiting["error"]) == (None, REFUSED["error"])
    assert one(database, HEALTH)["success_rate_24h"] == 0


@pytest.mark.parametrize(
    "written", ["https://SEND.example.com/", "send.example.com", "https://send.example.com:443/api"]
)
def test_an_instance_may_be_written_in_any_way(database: Database, written: str) -> None:
    assert deliver(delivery("email_sent", {}, instance_url=written))["status"] == 200
    rows_of(database, "update workspaces set bison_instance_url = :url", url=written)
    assert deliver(mail("email_sent", 1))["status"] == 200
    assert counters(database) == {"emails_sent_mtd": 2}


def test_what_waited_takes_effect_once_the_workspace_has_its_right_number(database: Database) -> None:
    rows_of(database, "update workspaces set bison_workspace_id = 99 where name = :name", name=NORTHWIND)
    body = mail("lead_interested", 1)
    assert deliver(body) == REFUSED
    everything = Selection(LONG_AGO, failed_only=True)
    assert store.count_deliveries(database, everything) == (1, 1)
    assert replay_deliveries(database, everything, SOURCE).refused == 1
    assert one(database, HEALTH)["webhook_count_24h"] == 1
    rows_of(database, "update workspaces set bison_workspace_id = 17 where name = :name", name=NORTHWIND)
    done = replay_deliveries(database, everything, SOURCE)
    assert (done.processed, done.refused) == (1, 0)
    assert counters(database) == {"positive_replies_mtd": 1}
    assert store.count_deliveries(database, everything) == (0, 0)
    assert deliver(body)["duplicates"] == 1
    assert counters(database) == {"positive_replies_mtd": 1}


def test_a_workspace_that_nobody_registered_yet_takes_what_its_token_brings(database: Database) -> None:
    rows_of(database, "delete from workspaces where name = :name", name=NORTHWIND)
    assert deliver(account_event("email_account_added"))["events_processed"] == 1
    assert deliver(mail("email_sent", 1))["events_processed"] == 1
    assert counters(database) == {"emails_sent_mtd": 1}


def test_calls_of_nobody_we_know_are_over_after_an_hour_of_peace(database: Database) -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    for _ in range(10):
        note_rejection(database, None, now)
    watch_workspaces(database, now + timedelta(minutes=59))
    assert [row["closed_at"] for row in rows_of(database, "select closed_at from incidents")] == [None]
    watch_workspaces(database, now + timedelta(minutes=61))
    assert [row["closed_at"] is None for row in rows_of(database, "select closed_at from incidents")] == [False]
