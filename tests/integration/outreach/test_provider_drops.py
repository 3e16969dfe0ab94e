"""How providers do, day by day, and when one of them falls."""

from datetime import UTC, datetime, timedelta

import pytest

from crm_relay.outreach.reporting.report_providers import report_providers
from crm_relay.platform.database import Database, Row
from tests.support.outreach.bison_webhook_function import CONTOSO, NORTHWIND, plant_workspaces
from tests.support.platform.rows import one, rows_of

MORNING = datetime(2026, 3, 1, 6, tzinfo=UTC)
DAYS = """select snapshot_date::text as day, email_provider as provider, total_accounts as accounts,
        connected_accounts as connected, total_sent as sent, total_replies as replies, sent_since, replies_since
    from provider_performance_history where workspace_name = 'Northwind' order by 1, 2"""


@pytest.fixture(autouse=True)
def workspaces(database: Database) -> None:
    """Both."""
    plant_workspaces(database)


def show(
    database: Database,
    number: int,
    *,
    sent: int = 0,
    replies: int = 0,
    provider: str | None = "Gmail",
    workspace: str = NORTHWIND,
    status: str = "Connected",
) -> None:
    """An account as the poll found it."""
    rows_of(
        database,
        """insert into sender_emails_cache (bison_instance, sender_email_id, workspace_name, email_address, status,
               email_provider, emails_sent_count, total_replied_count)
           values ('', :number, :workspace, 'sender@example.com', :status, :provider, :sent, :replies)
           on conflict (bison_instance, sender_email_id) do update set
               status = excluded.status, emails_sent_count = excluded.emails_sent_count,
               total_replied_count = excluded.total_replied_count, workspace_name = excluded.workspace_name,
               email_provider = excluded.email_provider""",
        number=number,
        workspace=workspace,
        status=status,
        provider=provider,
        sent=sent,
        replies=replies,
    )


def fortnight(database: Database, before: tuple[int, int], now: tuple[int, int], *, days: int = 14) -> list[Row]:
    """What is found after two weeks, each of so many e-mails and replies; an old account's totals stand behind them."""
    sent, replies = 1_000_000, 90_000
    found: list[Row] = []
    for day in range(days + 1):
        show(database, 1, sent=sent, replies=replies)
        found = report_providers(database, MORNING + timedelta(days=day)).drops
        more = before if day < days // 2 else now
        sent, replies = sent + more[0] // 7, replies + more[1] // 7
    return found


def test_a_fall_of_more_than_a_fifth_that_is_no_chance_is_found_and_told(database: Database) -> None:
    (drop,) = fortnight(database, (14000, 1400), (14000, 1050))
    assert (drop["workspace_name"], drop["email_provider"]) == (NORTHWIND, "Gmail")
    assert (drop["previous_rate"], drop["current_rate"], drop["drop_percentage"]) == (10, 7.5, 25)
    assert (drop["previous_sent"], drop["current_sent"]) == (14000, 14000)
    incident = one(database, "select kind, workspace_name, closed_at from incidents")
    assert incident == {"kind": "provider_drop", "workspace_name": NORTHWIND, "closed_at": None}


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ((14000, 1400), (14000, 1120)),
        ((1400, 140), (1400, 105)),
        ((1400, 140), (1400, 210)),
        ((1400, 0), (1400, 0)),
        ((1400, 140), (0, 0)),
    ],
)
def test_a_fall_of_a_fifth_or_less_or_by_chance_is_none(
    database: Database, before: tuple[int, int], now: tuple[int, int]
) -> None:
    assert fortnight(database, before, now) == []
    assert rows_of(database, "select kind from incidents") == []


@pytest.mark.parametrize(("before", "now"), [((196, 98), (1400, 7)), ((1400, 700), (196, 7))])
def test_a_small_sample_on_either_side_says_nothing(
    database: Database, before: tuple[int, int], now: tuple[int, int]
) -> None:
    assert fortnight(database, before, now) == []


def test_the_limits_are_arguments_of_the_documents_function(database: Database) -> None:
    fortnight(database, (140, 70), (140, 63))
    found = "select count(*)::integer as n from check_provider_reply_rate_drop"
    assert one(database, f"{found}()")["n"] == 0
    assert one(database, f"{found}(5, 7, 100)")["n"] == 1
    assert one(database, f"{found}(10, 7, 100)")["n"] == 0
    assert one(database, f"{found}(5, 7, 0)")["n"] == 1
    rows_of(database, "delete from provider_performance_history")
    assert one(database, f"{found}()")["n"] == 0


def test_a_row_that_is_dated_ahead_hides_no_fall(database: Database) -> None:
    rows_of(
        database,
        """insert into provider_performance_history (snapshot_date, workspace_name, email_provider)
           values ('infinity', 'Northwind', 'Gmail'), ('2999-01-01', 'Contoso', 'Gmail')""",
    )
    assert len(fortnight(database, (14000, 1400), (14000, 1050))) == 1


def test_a_fall_is_over_when_it_is_not_found_any_more(database: Database) -> None:
    fortnight(database, (1400, 140), (1400, 70))
    rows_of(database, "update provider_performance_history set replies_since = sent_since / 10")
    report_providers(database, MORNING + timedelta(days=14))
    assert one(database, "select closed_at is not null as over from incidents")["over"]


# --- snapshots --------------------------------------------------------------------------------------------------------


def test_a_second_report_of_a_day_adds_what_came_since_the_first(database: Database) -> None:
    show(database, 1, sent=100, replies=10)
    report_providers(database, MORNING)
    show(database, 1, sent=160, replies=13)
    show(database, 2, sent=40, status="Disconnected", provider=None)
    for hours in (6, 12):
        report_providers(database, MORNING + timedelta(hours=hours))
    show(database, 1, sent=170, replies=13)
    report_providers(database, MORNING + timedelta(hours=15))
    gmail = {"day": "2026-03-01", "provider": "Gmail", "accounts": 1, "connected": 1, "sent": 170, "replies": 13}
    other = {"day": "2026-03-01", "provider": "Other", "accounts": 1, "connected": 0, "sent": 40, "replies": 0}
    assert rows_of(database, DAYS) == [
        gmail | {"sent_since": 70, "replies_since": 3},
        other | {"sent_since": 0, "replies_since": 0},
    ]


def test_an_account_that_leaves_takes_nothing_away_from_what_was_sent(database: Database) -> None:
    show(database, 1, sent=1000, replies=100)
    show(database, 2, sent=500, replies=50)
    report_providers(database, MORNING)
    show(database, 1, sent=1010, replies=101)
    show(database, 2, sent=520, replies=50)
    rows_of(database, "update sender_emails_cache set removed_at = now() where sender_email_id = 1")
    report_providers(database, MORNING + timedelta(days=1))
    report_providers(database, MORNING + timedelta(days=2))
    since = [(row["accounts"], row["sent"], row["sent_since"], row["replies_since"]) for row in rows_of(database, DAYS)]
    assert since == [(2, 1500, 0, 0), (1, 520, 30, 1), (1, 520, 0, 0)]


def test_an_account_that_was_made_anew_begins_at_nothing(database: Database) -> None:
    show(database, 1, sent=1000, replies=100)
    report_providers(database, MORNING)
    show(database, 1, sent=5, replies=1)
    report_providers(database, MORNING + timedelta(days=1))
    show(database, 1, sent=15, replies=2)
    report_providers(database, MORNING + timedelta(days=2))
    assert [(row["sent_since"], row["replies_since"]) for row in rows_of(database, DAYS)] == [(0, 0), (0, 0), (10, 1)]


def test_a_day_is_the_workspaces_own(database: Database) -> None:
    rows_of(database, "update workspaces set timezone = 'Pacific/Auckland' where name = :name", name=NORTHWIND)
    show(database, 1)
    report_providers(database, MORNING.replace(hour=11))
    assert [row["day"] for row in rows_of(database, DAYS)] == ["2026-03-02"]


# --- the document's functions -----------------------------------------------------------------------------------------


def test_providers_and_states_are_added_up_by_workspace_without_removed_accounts(database: Database) -> None:
    show(database, 1, sent=300, replies=10)
    show(database, 2, sent=100, replies=2, status="Disconnected")
    show(database, 3, sent=7, provider="Outlook")
    show(database, 4, provider=None, workspace=CONTOSO)
    show(database, 5, sent=999, replies=999)
    rows_of(database, "update sender_emails_cache set removed_at = now() where sender_email_id = 5")
    providers = rows_of(database, "select * from aggregate_provider_stats() order by 1, 2")
    assert [tuple(row.values()) for row in providers] == [
        (CONTOSO, "Other", 1, 1, 0, 0, 0),
        (NORTHWIND, "Gmail", 2, 1, 400, 12, 3),
        (NORTHWIND, "Outlook", 1, 1, 7, 0, 0),
    ]
    states = rows_of(database, "select * from get_account_status_stats() order by 1")
    assert [tuple(map(float, list(row.values())[1:])) for row in states] == [(1, 1, 0, 0), (3, 2, 1, 33.33)]


def test_counters_that_are_not_their_log_are_an_incident_until_they_are(database: Database) -> None:
    rows_of(database, "select increment_metric('Northwind', 'replies_mtd', 3)")
    rows_of(database, "update client_metrics set replies_mtd = 4")
    now = one(database, "select now() as now")["now"]
    (drift,) = report_providers(database, now).drift
    assert (drift["logged"], drift["counted"]) == (3, 4)
    assert one(database, "select kind, closed_at from incidents") == {"kind": "metric_drift", "closed_at": None}
    rows_of(database, "update client_metrics set replies_mtd = 3")
    assert report_providers(database, now).drift == []
    assert one(database, "select closed_at is not null as over from incidents")["over"]
