"""Automatic replies are kept, and count as replies only in workspaces that want it."""

import pytest

from crm_relay.outreach import store
from crm_relay.platform.database import Database
from tests.support.outreach.bison_events import counters, mail
from tests.support.outreach.bison_totals import at, compare, show, shown_and_compared
from tests.support.outreach.bison_webhook_function import NORTHWIND, configure, deliver, plant_workspaces
from tests.support.platform.rows import one, rows_of


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> None:
    """An account whose totals were compared before."""
    configure(monkeypatch, database_url)
    plant_workspaces(database)
    shown_and_compared(database, 0, sent=1000, replies=50)
    assert compare(database, 1).gaps == []


def automatic(number: int, hours: float) -> None:
    body = mail("lead_replied", number, at=at(hours), automated=True)
    assert deliver(body)["events_processed"] == 1
    assert deliver(body)["events_processed"] == 0


def call_interested(number: int, hours: float) -> None:
    deliver(mail("lead_interested", number, at=at(hours)))


def test_an_automatic_reply_moves_no_counter_and_is_kept_as_what_it_is(database: Database) -> None:
    automatic(1, 2)
    assert counters(database) == {}
    kept = one(database, "select is_auto_reply, from_address from inbox_items")
    assert kept == {"is_auto_reply": True, "from_address": "lead1@example.org"}


def test_the_lead_has_not_replied(database: Database) -> None:
    automatic(1, 2)
    call_interested(2, 3)
    assert one(database, "select replied_at from client_leads")["replied_at"] is None
    deliver(mail("lead_replied", 3, at=at(4)))
    assert one(database, "select replied_at from client_leads")["replied_at"] is not None


def test_a_workspace_may_count_them(database: Database) -> None:
    rows_of(
        database,
        "update workspaces set counts_automated_replies = true where name = :name returning id",
        name=NORTHWIND,
    )
    automatic(1, 2)
    assert counters(database) == {"replies_mtd": 1}


def test_the_totals_that_show_them_fill_in_nothing(database: Database) -> None:
    automatic(1, 2)
    deliver(mail("lead_replied", 2, at=at(2)))
    show(database, 4, sent=1000, replies=52)
    compare(database, 4)
    assert compare(database, 5).gaps == []
    assert counters(database) == {"replies_mtd": 1}
    assert store.metric_drift(database, "2026-03-01") == []


def test_one_that_comes_after_it_was_filled_in_takes_the_filling_back(database: Database) -> None:
    show(database, 4, sent=1000, replies=51)
    compare(database, 4)
    compare(database, 5)
    assert counters(database) == {"replies_mtd": 1}
    automatic(1, 2)
    assert counters(database) in ({}, {"replies_mtd": 0})
    assert store.metric_drift(database, "2026-03-01") == []
