"""A workspace with a time zone that nobody knows stops itself at most: every other one goes on."""

from datetime import UTC, datetime

import pytest

from crm_relay.operations.overview.store import workspaces
from crm_relay.outreach.polling.watch_workspaces import watch_workspaces
from crm_relay.outreach.reporting.rebuild_metrics import rebuild_metrics
from crm_relay.outreach.reporting.report_providers import report_providers
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from tests.support.outreach.bison_events import counters, mail
from tests.support.outreach.bison_webhook_function import (
    CONTOSO,
    NORTHWIND,
    TOKENS,
    configure,
    deliver,
    plant_workspaces,
)
from tests.support.platform.rows import one, rows_of

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SET_ZONE = "update workspaces set timezone = :zone where name = :name"
NO_ZONES = ["Mars/Olympus", "", "Europe/Berlin; drop", "x" * 300]


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> None:
    configure(monkeypatch, database_url)
    plant_workspaces(database)


def spoil(database: Database, zone: str = "Mars/Olympus") -> None:
    """As a row that was there before the database refused it."""
    database.run_script("alter table workspaces disable trigger all")
    rows_of(database, SET_ZONE, zone=zone, name=CONTOSO)
    database.run_script("alter table workspaces enable trigger all")


@pytest.mark.parametrize("zone", NO_ZONES)
def test_no_workspace_gets_a_zone_that_nobody_knows(database: Database, zone: str) -> None:
    with pytest.raises(RejectedInput, match="workspace_timezone_is_known"):
        rows_of(database, SET_ZONE, zone=zone, name=CONTOSO)
    rows_of(database, SET_ZONE, zone="Europe/Berlin", name=CONTOSO)
    assert one(database, "select timezone from workspaces where name = :name", name=CONTOSO) == {
        "timezone": "Europe/Berlin"
    }


@pytest.mark.parametrize("zone", NO_ZONES)
def test_an_unknown_zone_that_is_there_already_leaves_all_others_alone(database: Database, zone: str) -> None:
    spoil(database, zone)
    rows_of(database, SET_ZONE, zone="Pacific/Auckland", name=NORTHWIND)
    for name in (NORTHWIND, CONTOSO):
        body = mail("email_sent", 1, workspace=name, at="2026-03-31T23:00:00Z")
        assert deliver(body, token=TOKENS[name])["events_processed"] == 1

    watch_workspaces(database, NOW)
    report_providers(database, NOW)
    shown = workspaces(database, NOW, limit=10)
    drift = rebuild_metrics(database, "2026-03-01") + rebuild_metrics(database, "2026-04-01")

    months = "select workspace_name, month::text as month from client_metrics where emails_sent_mtd = 1 order by 1"
    assert rows_of(database, months) == [
        {"workspace_name": CONTOSO, "month": "2026-03-01"},
        {"workspace_name": NORTHWIND, "month": "2026-04-01"},
    ]
    assert [each.name for each in shown] == [CONTOSO, NORTHWIND]
    assert drift == []


def test_the_workspace_is_reported_until_its_zone_is_corrected(database: Database) -> None:
    spoil(database)
    watch_workspaces(database, NOW)
    open_ones = "select kind, subject, workspace_name from incidents where closed_at is null"
    assert rows_of(database, open_ones) == [{"kind": "workspace_zone", "subject": CONTOSO, "workspace_name": CONTOSO}]
    rows_of(database, SET_ZONE, zone="Europe/Berlin", name=CONTOSO)
    watch_workspaces(database, NOW)
    assert rows_of(database, open_ones) == []


def test_a_row_that_is_wrong_already_may_change_in_everything_else(database: Database) -> None:
    spoil(database)
    rows_of(database, "update workspaces set bison_workspace_id = 99 where name = :name", name=CONTOSO)
    deliver(mail("email_sent", 1), token=TOKENS[NORTHWIND])
    assert counters(database) == {"emails_sent_mtd": 1}


@pytest.mark.parametrize("hours", [2_147_483_647, -2_147_483_648])
def test_a_silence_that_reaches_back_further_than_time_stops_nobody(database: Database, hours: int) -> None:
    rows_of(
        database, "update workspaces set bison_silence_hours = :hours where name = :name", hours=hours, name=CONTOSO
    )
    deliver(mail("email_sent", 1))
    watch_workspaces(database, NOW)
    assert len(rows_of(database, "select * from webhook_health")) == 2
