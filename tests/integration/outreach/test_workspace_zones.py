"""A workspace with a time zone that nobody knows stops itself at most: every other one goes on."""

from datetime import UTC, datetime
from zoneinfo import available_timezones

import pytest

from crm_relay.operations.overview.store import workspaces
from crm_relay.outreach.polling.watch_workspaces import watch_workspaces
from crm_relay.outreach.reporting.rebuild_metrics import rebuild_metrics
from crm_relay.outreach.reporting.report_providers import report_providers
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.migrations import migrate, read_migrations
from crm_relay.rules.windows_zones import WINDOWS_ZONES
from crm_relay.rules.zones import ABBREVIATIONS, is_zone, zone_meant
from tests.conftest import ROOT
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
ADD_WORKSPACE = "insert into workspaces (org_id, name, timezone) values (default_org_id(), :zone, :zone)"
SET_ZONE = "update workspaces set timezone = :zone where name = :name"
FIXED = ["EST", "PST", "est", "IST", "UTC+5", "<+05>-5", "+05:30", "Europe/Berlin2", "Etc/GMT+13"]
NO_ZONES = ["Mars/Olympus", "", "Europe/Berlin; drop", "x" * 300, "Eastern Standard Time", "europe/berlin", *FIXED]
PLACES = "20261130135000"


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


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "x" * 300, "IST", "UTC+5", "Europe/Berlin2"])
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


def test_python_and_sql_agree_on_every_zone(database: Database) -> None:
    named = {row["name"] for row in rows_of(database, "select name from pg_timezone_names")}
    places = named & available_timezones()
    short = {row["abbrev"] for row in rows_of(database, "select abbrev from pg_timezone_abbrevs")}
    others = {*ABBREVIATIONS, *WINDOWS_ZONES, *NO_ZONES, "Eastern Daylight Time", " est ", "posix/UTC"}
    names = sorted(places | short | others)
    rows = rows_of(
        database,
        "select is_time_zone(name) as is_it, zone_meant(name) as meant from unnest(cast(:names as text[])) as name",
        names=names,
    )
    assert len(places) > 500
    answers = zip(names, rows, strict=True)
    assert [name for name, row in answers if (row["is_it"], row["meant"]) != (is_zone(name), zone_meant(name))] == []


@pytest.mark.parametrize(
    ("stored", "counted_in"),
    [("EST", "America/New_York"), ("w. europe  standard time", "Europe/Berlin"), ("IST", "UTC")],
)
def test_a_zone_under_another_name_is_understood(database: Database, stored: str, counted_in: str) -> None:
    """Also before it is renamed, and where the version before writes it meanwhile."""
    spoil(database, stored)
    assert one(database, "select workspace_zone(:name) as zone", name=CONTOSO) == {"zone": counted_in}


def test_the_upgrade_renames_zones_and_leaves_alone_what_nobody_knows(empty_database_url: str) -> None:
    every = read_migrations(ROOT / "migrations")
    older = Database(empty_database_url)
    migrate(older, [each for each in every if each.version < PLACES])
    stored = ["EST", "Eastern Standard Time", "IST", "Mars/Olympus", "Europe/Paris", "PST8PDT"]
    older.run_script("alter table workspaces disable trigger check_workspace_zone")
    for zone in stored:
        rows_of(older, ADD_WORKSPACE, zone=zone)
    older.run_script("alter table workspaces enable trigger check_workspace_zone")
    rows_of(
        older,
        """with people as (
               insert into user_profiles (id, email)
               select gen_random_uuid(), zone from unnest(array['EST', 'PST', 'IST', 'Europe/Rome']) as zone
               returning id, email
           )
           insert into notification_preferences (org_id, user_id, category, quiet_hours_timezone)
           select default_org_id(), id, 'jobs', email from people""",
    )

    migrate(older, every)

    renamed = rows_of(older, "select name, timezone from workspaces where name = any (:names)", names=stored)
    assert {row["name"]: row["timezone"] for row in renamed} == {
        "EST": "America/New_York",
        "Eastern Standard Time": "America/New_York",
        "IST": "IST",
        "Mars/Olympus": "Mars/Olympus",
        "Europe/Paris": "Europe/Paris",
        "PST8PDT": "PST8PDT",
    }
    quiet = rows_of(older, "select quiet_hours_timezone as zone from notification_preferences order by 1")
    assert [row["zone"] for row in quiet] == ["America/Los_Angeles", "America/New_York", "Europe/Rome", "UTC"]
    rows_of(older, "update notification_preferences set email_unsubscribed = true")
    older.close()
