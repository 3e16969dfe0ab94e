"""Counters belong to a month of the workspace's own zone, and can be made anew from the log."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from crm_relay.outreach import store
from crm_relay.outreach.reporting.rebuild_metrics import rebuild_metrics
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from tests.support.outreach.bison_events import METRICS, a_months_log, counters, logged, mail
from tests.support.outreach.bison_webhook_function import NORTHWIND, configure, deliver, plant_workspaces
from tests.support.platform.rows import one, rows_of

AUCKLAND, LOS_ANGELES = "Pacific/Auckland", "America/Los_Angeles"
MONTHS = "select month::text, metric_type, emails_sent_mtd as sent from client_metrics order by month"


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """Configured for this test's database."""
    configure(monkeypatch, database_url)


def sent(database: Database, number: int, at: datetime | str) -> None:
    moment = at if isinstance(at, str) else at.astimezone(UTC).isoformat()
    assert deliver(mail("email_sent", number, at=moment))["events_processed"] == 1


def months(database: Database) -> list[tuple[str, int]]:
    return [(row["month"], row["sent"]) for row in rows_of(database, MONTHS)]


def current(database: Database) -> list[str]:
    return [row["month"] for row in rows_of(database, MONTHS) if row["metric_type"] == "mtd"]


def this_month_in(zone: str) -> datetime:
    """Its first moment."""
    return datetime.now(ZoneInfo(zone)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize(
    ("zone", "last_moment", "first_moment"),
    [
        (AUCKLAND, "2026-03-31T10:59:59Z", "2026-03-31T11:00:00Z"),
        (LOS_ANGELES, "2026-04-01T06:59:59Z", "2026-04-01T07:00:00Z"),
        ("UTC", "2026-03-31T23:59:59Z", "2026-04-01T00:00:00Z"),
    ],
)
def test_a_month_begins_at_midnight_of_the_workspace(
    database: Database, zone: str, last_moment: str, first_moment: str
) -> None:
    plant_workspaces(database, timezone=zone)
    sent(database, 1, first_moment)
    sent(database, 2, last_moment)
    sent(database, 3, last_moment)
    assert months(database) == [("2026-03-01", 2), ("2026-04-01", 1)]
    assert store.metric_drift(database, "2026-03-01") == store.metric_drift(database, "2026-04-01") == []


@pytest.mark.parametrize("zone", [AUCKLAND, LOS_ANGELES])
def test_only_the_month_that_it_is_there_now_is_the_current_one(database: Database, zone: str) -> None:
    plant_workspaces(database, timezone=zone)
    begin = this_month_in(zone)
    sent(database, 1, begin - timedelta(seconds=1))
    assert current(database) == []
    sent(database, 2, begin)
    sent(database, 3, begin - timedelta(days=40))
    assert current(database) == [begin.date().isoformat()]
    assert [number for _, number in months(database)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("zone", "turn"), [(AUCKLAND, "2040-03-31T11:00:00+00:00"), (LOS_ANGELES, "2040-04-01T07:00:00+00:00")]
)
def test_a_month_begins_also_where_nothing_happens_in_it(database: Database, zone: str, turn: str) -> None:
    plant_workspaces(database, timezone=zone)
    moment = datetime.fromisoformat(turn)
    assert store.open_months(database, moment - timedelta(seconds=1)) == 2
    assert store.open_months(database, moment - timedelta(seconds=1)) == 0
    assert {row["month"] for row in rows_of(database, MONTHS) if row["metric_type"] == "mtd"} == {"2040-03-01"}
    assert store.open_months(database, moment) == 2
    assert [row["metric_type"] for row in rows_of(database, MONTHS)] == ["month", "month", "mtd", "mtd"]


def test_an_event_from_a_clock_ahead_of_ours_does_not_keep_its_month_from_beginning(database: Database) -> None:
    plant_workspaces(database)
    begin = this_month_in("UTC")
    store.open_months(database, begin - timedelta(seconds=1))
    rows_of(
        database,
        "insert into client_metrics (workspace_name, month, metric_type) values (:name, cast(:month as date), 'month')",
        name=NORTHWIND,
        month=begin.date().isoformat(),
    )
    sent(database, 1, begin)
    months = rows_of(
        database, "select month::text from client_metrics where workspace_name = 'Northwind' and metric_type = 'mtd'"
    )
    assert months == [{"month": begin.date().isoformat()}]
    assert counters(database) == {"emails_sent_mtd": 1}


# --- counters are sums of the log -----------------------------------------------------------------------------------


def test_what_was_counted_is_what_the_log_adds_up_to(database: Database) -> None:
    plant_workspaces(database, timezone=AUCKLAND)
    for body in a_months_log():
        deliver(body)
    assert [store.metric_drift(database, f"2026-0{month}-01") for month in (2, 3, 4, 5)] == [[]] * 4
    before = rows_of(database, "select month, emails_sent_mtd, replies_mtd, bounced_mtd from client_metrics order by 1")
    rows_of(database, "delete from client_metrics")
    for month in ("2026-03-01", "2026-04-01"):
        assert rebuild_metrics(database, month)
        assert rebuild_metrics(database, month) == []
    assert (
        rows_of(database, "select month, emails_sent_mtd, replies_mtd, bounced_mtd from client_metrics order by 1")
        == before
    )


@pytest.mark.parametrize("metric", METRICS)
def test_a_counter_that_was_tampered_with_is_found_and_mended(database: Database, metric: str) -> None:
    plant_workspaces(database, timezone=LOS_ANGELES)
    sent(database, 1, "2026-03-31T23:00:00Z")
    rows_of(database, f"update client_metrics set {metric} = {metric} + 5")
    expected = 1 if metric == "emails_sent_mtd" else 0
    found = {"workspace_name": NORTHWIND, "metric": metric, "logged": expected, "counted": expected + 5}
    assert rebuild_metrics(database, "2026-03-01", dry_run=True) == [found]
    assert rebuild_metrics(database, "2026-03-01") == [found]
    assert rebuild_metrics(database, "2026-03-01") == []
    assert counters(database) == {"emails_sent_mtd": 1}
    assert months(database) == [("2026-03-01", 1)]


def test_a_workspace_that_gets_another_zone_can_be_counted_anew(database: Database) -> None:
    plant_workspaces(database)
    sent(database, 1, "2026-03-31T12:00:00Z")
    rows_of(database, "update workspaces set timezone = :zone", zone=AUCKLAND)
    rebuild_metrics(database, "2026-03-01")
    rebuild_metrics(database, "2026-04-01")
    assert months(database) == [("2026-03-01", 0), ("2026-04-01", 1)]


# --- increment_metric -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "column"),
    [(metric, metric) for metric in METRICS]
    + [
        ("interested_mtd", "positive_replies_mtd"),
        ("bounces_mtd", "bounced_mtd"),
        ("unsubscribes_mtd", "unsubscribed_mtd"),
    ],
)
def test_each_documented_name_moves_its_counter_of_the_current_month(
    database: Database, name: str, column: str
) -> None:
    plant_workspaces(database, timezone=AUCKLAND)
    before = one(database, "select clock_timestamp() as now")["now"]
    rows_of(database, "select increment_metric(:workspace, :name, 3)", workspace=NORTHWIND, name=name)
    rows_of(database, "select increment_metric(:workspace, :name)", workspace=NORTHWIND, name=name)
    assert counters(database) == {column: 4}
    row = one(database, "select month, metric_type, updated_at from client_metrics")
    assert (row["month"], row["metric_type"]) == (this_month_in(AUCKLAND).date(), "mtd")
    assert row["updated_at"] >= before
    rebuild_metrics(database, row["month"].isoformat())
    assert counters(database) == {column: 4}
    assert logged(database, "origin, amount") == [{"origin": "manual", "amount": 3}, {"origin": "manual", "amount": 1}]


def test_increment_metric_takes_null_for_one_and_a_null_counter_for_none(database: Database) -> None:
    rows_of(database, "select increment_metric('Elsewhere', 'replies_mtd', null)")
    rows_of(database, "update client_metrics set replies_mtd = null, bounced_mtd = null")
    rows_of(database, "select increment_metric('Elsewhere', 'bounces_mtd', 2)")
    assert counters(database, "Elsewhere") == {"bounced_mtd": 2}


@pytest.mark.parametrize(
    ("workspace", "metric", "amount"),
    [
        (NORTHWIND, "opens_mtd", "1"),
        (NORTHWIND, "", "1"),
        (NORTHWIND, None, "1"),
        (NORTHWIND, "Emails_Sent_MTD", "1"),
        (NORTHWIND, "replies_mtd", "-1"),
        ("", "replies_mtd", "1"),
        ("  ", "replies_mtd", "1"),
        (None, "replies_mtd", "1"),
    ],
)
def test_increment_metric_refuses_what_it_cannot_count(
    database: Database, workspace: str | None, metric: str | None, amount: str
) -> None:
    with pytest.raises(RejectedInput, match="22023"):
        rows_of(database, f"select increment_metric(:workspace, :metric, {amount})", workspace=workspace, metric=metric)
    assert (logged(database), rows_of(database, "select month from client_metrics")) == ([], [])


def test_the_refusal_says_which_rule_was_broken(database: Database) -> None:
    rows_of(
        database,
        """create function told(workspace text, metric text, n integer) returns text language plpgsql as $$
           declare hint text;
           begin
               perform increment_metric(workspace, metric, n);
               return null;
           exception when invalid_parameter_value then
               get stacked diagnostics hint = pg_exception_hint;
               return sqlerrm || '; ' || hint;
           end $$""",
    )
    messages = [
        one(database, f"select told({arguments}) as said")["said"]
        for arguments in ("'N', 'opens_mtd', 1", "'N', 'replies_mtd', -1", "' ', 'replies_mtd', 1")
    ]
    assert messages[0].startswith("increment_metric: unknown metric name; emails_sent_mtd, interested_mtd")
    assert messages[1:] == [
        "increment_metric: a negative increment; ",
        "increment_metric: a workspace name is needed; ",
    ]


def test_the_months_that_are_compared_nightly_are_those_that_may_have_changed() -> None:
    from crm_relay.outreach.reporting.report_providers import months_around

    middle, edge = datetime(2026, 3, 15, tzinfo=UTC), datetime(2026, 3, 31, 12, tzinfo=UTC)
    assert months_around(middle) == ["2026-02-01", "2026-03-01"]
    assert months_around(edge) == ["2026-03-01", "2026-04-01"]
    assert months_around(datetime(2026, 1, 1, tzinfo=UTC)) == ["2025-12-01", "2026-01-01"]
    assert date.fromisoformat(months_around(edge)[0]).day == 1
