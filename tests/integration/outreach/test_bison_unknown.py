"""An event that no table names is kept, told of once, and takes effect once somebody knows what it means."""

from datetime import UTC, datetime
from typing import Any

import pytest

from crm_relay.outreach import store
from crm_relay.outreach.models import Selection
from crm_relay.outreach.replay_deliveries import replay_deliveries
from crm_relay.platform.database import Database
from crm_relay.providers.bison import mapping_webhook, vocabulary, webhook
from crm_relay.sources.bison import bison_source
from tests.support.outreach.bison_events import counters, logged, mail, mail_data
from tests.support.outreach.bison_webhook_function import configure, deliver, delivery, plant_workspaces, tables
from tests.support.platform.rows import one, rows_of

SOURCE = bison_source("send.example.com")
EVERYTHING = Selection(datetime(2020, 1, 1, tzinfo=UTC))
INCIDENTS = "select kind, subject, closed_at is null as open from incidents order by subject"


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> None:
    """Configured for this test's database, in which both workspaces are known."""
    configure(monkeypatch, database_url)
    plant_workspaces(database)


def unknown(number: int) -> bytes:
    return delivery("lead_delighted", mail_data("lead_replied", number))


def learn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a release would bring that knows the event."""
    words = {**vocabulary.HANDLED_EVENTS, "lead_delighted": "lead_interested"}
    for module in (webhook, mapping_webhook):
        monkeypatch.setattr(module, "HANDLED_EVENTS", words)


def test_unknown_events_are_kept_raw_answered_200_and_told_of_once(database: Database) -> None:
    for number in range(12):
        answer = deliver(unknown(number))
        assert (answer["status"], answer["ignored"]) == (200, 1)
    deliver(unknown(0))
    assert not any(tables(database).values())
    assert rows_of(database, INCIDENTS) == [{"kind": "unknown_event", "subject": "lead_delighted", "open": True}]
    kept = rows_of(database, "select body, applied_at is not null as applied from webhook_inbox order by id")
    assert kept == [{"body": unknown(number).decode(), "applied": True} for number in range(12)]
    assert [row["success"] for row in logged(database, "success")] == [True] * 13


def test_an_event_that_is_known_and_not_kept_is_no_incident(database: Database) -> None:
    answer = deliver(delivery("tag_attached", {"tag_id": 1}))
    assert (answer["status"], answer["ignored"], rows_of(database, INCIDENTS)) == (200, 1, [])


def test_what_was_unknown_is_applied_once_when_it_is_known(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        deliver(unknown(number))
    deliver(mail("email_sent", 100))
    before = one(database, "select sum(deliveries)::integer as n from webhook_delivery_slots")
    selection = Selection(EVERYTHING.since, event_type="lead_delighted")
    assert store.count_deliveries(database, selection) == (5, 0)
    assert vars(replay_deliveries(database, selection, SOURCE)) | {"ignored": 5} == vars(
        replay_deliveries(database, selection, SOURCE)
    )
    assert counters(database) == {"emails_sent_mtd": 1}

    learn(monkeypatch)
    progress: list[int] = []
    done = replay_deliveries(database, selection, SOURCE, progress=progress.append)
    assert (done.processed, done.duplicates, progress) == (5, 0, [5])
    assert counters(database) == {"emails_sent_mtd": 1, "positive_replies_mtd": 5}
    assert rows_of(database, INCIDENTS) == [{"kind": "unknown_event", "subject": "lead_delighted", "open": False}]
    after = tables(database)
    done = replay_deliveries(database, EVERYTHING, SOURCE)
    assert (done.processed, done.duplicates) == (0, 6)
    assert deliver(unknown(3))["duplicates"] == 1
    assert tables(database) == after
    assert one(database, "select sum(deliveries)::integer as n from webhook_delivery_slots")["n"] == before["n"] + 1


def test_a_replay_of_everything_makes_the_tables_what_they_were(database: Database) -> None:
    bodies = [mail(kind, number) for number, kind in enumerate(("lead_interested", "lead_replied", "email_bounced"))]
    for body in bodies:
        deliver(body)
    expected = tables(database)
    rows_of(database, "truncate webhook_delivery_log, client_metrics, client_leads, inbox_items, consent_events")
    assert replay_deliveries(database, EVERYTHING, SOURCE).processed == 3
    assert tables(database) == expected
    assert {row["origin"] for row in logged(database, "origin")} == {"replay"}


def test_a_replay_takes_up_only_what_is_selected(database: Database) -> None:
    deliver(mail("email_sent", 1))
    deliver(mail("lead_replied", 2))
    cases: list[tuple[dict[str, Any], int]] = [
        ({}, 2),
        ({"event_type": "email_sent"}, 1),
        ({"workspace_name": "Contoso"}, 0),
        ({"workspace_name": "Northwind"}, 2),
        ({"failed_only": True}, 0),
        ({"since": datetime(2100, 1, 1, tzinfo=UTC)}, 0),
    ]
    for chosen, expected in cases:
        selection = Selection(**{"since": EVERYTHING.since} | chosen)
        assert store.count_deliveries(database, selection)[0] == expected, chosen
        assert replay_deliveries(database, selection, SOURCE).duplicates == expected, chosen
    rows_of(database, "update webhook_inbox set redacted_at = now()")
    assert store.count_deliveries(database, EVERYTHING) == (0, 0)
