"""Deliveries that come at the same moment: nothing is lost, nothing counts twice, and no deadlock is seen outside."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from crm_relay.outreach.polling.reconcile import reconcile
from crm_relay.platform.database import Database
from crm_relay.platform.sql import Query
from crm_relay.sources.bison import bison_source
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.receive import apply_together
from crm_relay.webhooks.source import Received
from tests.support.outreach.bison_events import (
    METRICS,
    a_months_log,
    account_event,
    counters,
    forget_everything,
    logged,
    mail,
)
from tests.support.outreach.bison_webhook_function import NORTHWIND, configure, deliver, plant_workspaces, tables
from tests.support.outreach.former_version import apply_formerly
from tests.support.platform.paused_source import paused
from tests.support.platform.rows import one, rows_of

INCREMENT = Query.parse("increment", "counts in a test", "select increment_metric(:workspace, :metric, 1)")
WAITING = """select count(*)::integer as n from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'"""


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> None:
    """Configured for this test's database."""
    configure(monkeypatch, database_url)
    plant_workspaces(database)


def test_sixty_four_callers_of_increment_metric_at_once_lose_nothing(database: Database, database_url: str) -> None:
    callers, times, start = 64, 10, threading.Barrier(64)

    def call(number: int) -> None:
        mine = Database(database_url)
        mine.run(Query.parse("ping", "opens the connection", "select 1"))
        start.wait()
        for turn in range(times):
            mine.run(INCREMENT, workspace="Elsewhere", metric=METRICS[(number + turn) % 2])
        mine.close()

    with ThreadPoolExecutor(callers) as threads:
        list(threads.map(call, range(callers)))
    assert counters(database, "Elsewhere") == {METRICS[0]: callers * times // 2, METRICS[1]: callers * times // 2}
    assert one(database, "select count(*)::integer as n from client_metrics")["n"] == 1
    assert one(database, "select sum(amount)::integer as n from webhook_delivery_log")["n"] == callers * times


def test_a_log_that_eight_deliver_at_once_leaves_what_one_delivery_leaves(database: Database) -> None:
    log = a_months_log()
    for body in log:
        deliver(body)
    expected = tables(database)
    forget_everything(database)
    start = threading.Barrier(8)

    def send(seed: int) -> set[int]:
        mine = random.Random(seed).sample(log, len(log))
        start.wait()
        return {deliver(body)["status"] for body in mine}

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(8)))
    assert answers == [{200}] * 8
    assert tables(database) == expected
    attempts = one(database, "select sum(deliveries)::integer as n from webhook_delivery_slots")["n"]
    assert attempts == one(database, "select count(*)::integer as n from webhook_delivery_log")["n"] == 8 * len(log)


def test_one_event_that_arrives_at_the_same_moment_many_times_counts_once(database: Database) -> None:
    start = threading.Barrier(8)

    def together(number: int) -> int:
        body = mail("lead_interested", 1).replace(b"}", b" " * number + b"}", 1)
        start.wait()
        return int(deliver(body)["events_processed"])

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(together, range(8))) == [0] * 7 + [1]
    assert counters(database) == {"positive_replies_mtd": 1}


# --- one delivery between the reads and the writes of another ---------------------------------------------------------


def deliver_while(
    database: Database, database_url: str, slow: bytes, meanwhile: Callable[[], object], *, waits: bool = True
) -> DeliveryOutcome:
    """`slow` reads, `meanwhile` happens in another thread until it is done or has to wait, then `slow` writes."""
    source, now = bison_source("send.example.com"), datetime(2026, 3, 12, tzinfo=UTC)
    delivered = Delivered("bison", slow, now, workspace_name=NORTHWIND)
    connection = Database(database_url)
    with ThreadPoolExecutor(1) as thread:
        started: list[Future[object]] = []

        def pause() -> None:
            started.append(thread.submit(meanwhile))
            if waits:
                wait_for_a_waiter(database)
            else:
                started[0].result(timeout=10)

        received = Received(delivered, source.parse(delivered))
        (outcome,) = apply_together(connection, paused(source, pause), [received])
        started[0].result(timeout=10)
    connection.close()
    return outcome


def test_an_event_that_another_delivery_counts_meanwhile_counts_once(database: Database, database_url: str) -> None:
    other = mail("email_sent", 1).replace(b"{", b"{ ", 1)
    outcome = deliver_while(
        database, database_url, mail("email_sent", 1), lambda: deliver(other)["events_processed"], waits=False
    )
    assert outcome == DeliveryOutcome(duplicates=1)
    assert counters(database) == {"emails_sent_mtd": 1}
    assert logged(database, "is_first") == [{"is_first": True}, {"is_first": False}]


def test_two_events_that_move_one_counter_at_once_both_count(database: Database, database_url: str) -> None:
    deliver(mail("email_sent", 1))
    deliver_while(database, database_url, mail("email_sent", 2), lambda: deliver(mail("email_sent", 3)), waits=False)
    assert counters(database) == {"emails_sent_mtd": 3}


def test_two_late_events_take_the_place_of_one_filled_in_event_once(database: Database, database_url: str) -> None:
    rows_of(
        database,
        """insert into webhook_delivery_log (event_type, workspace_name, success, origin, event_key, is_first, metric,
               amount, occurred_at, sender_email_id)
           values ('polled_total', 'Northwind', true, 'polled', 'polled:1', true, 'emails_sent_mtd', 1,
               '2026-03-11T00:00Z', 7)""",
    )
    rows_of(database, "select count_outreach('Northwind', 'emails_sent_mtd', 1, '2026-03-11T00:00Z')")
    deliver_while(database, database_url, mail("email_sent", 1), lambda: deliver(mail("email_sent", 2)))
    assert counters(database) == {"emails_sent_mtd": 2}
    left = one(database, "select sum(amount)::integer as n from webhook_delivery_log where origin = 'polled'")
    assert left["n"] == 0


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize(
    ("slow", "quick"), [("disconnected", "reconnected"), ("reconnected", "disconnected"), ("removed", "added")]
)
def test_of_two_states_of_an_account_at_once_the_later_one_holds(
    database: Database, database_url: str, slow: str, quick: str, is_known: bool
) -> None:
    if is_known:
        deliver(account_event("email_account_added", at="2026-03-09T00:00:00Z"))
    early, late = (
        account_event(f"email_account_{kind}", at=f"2026-03-10T{hour}:00:00Z")
        for kind, hour in ((slow, 10), (quick, 11))
    )
    deliver_while(database, database_url, early, lambda: deliver(late), waits=is_known)
    at_once = tables(database)["sender_emails_cache"]
    forget_everything(database)
    for body in (early, late):
        deliver(body)
    assert at_once == tables(database)["sender_emails_cache"]


@pytest.mark.parametrize("kinds", [("lead_replied", "lead_interested"), ("lead_interested", "lead_replied")])
def test_two_events_of_one_lead_at_once_know_of_each_other(
    database: Database, database_url: str, kinds: tuple[str, str]
) -> None:
    first, second = (mail(kind, number) for number, kind in enumerate(kinds))
    deliver_while(database, database_url, first, lambda: deliver(second))
    row = one(
        database, "select replied_at is not null as replied, interested_at is not null as interested from client_leads"
    )
    assert row == {"replied": True, "interested": True}
    assert counters(database) == {"replies_mtd": 1, "positive_replies_mtd": 1}


def test_the_reconciliation_waits_for_what_is_on_its_way_in(database: Database, database_url: str) -> None:
    began, ended = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 20, tzinfo=UTC)
    deliver(account_event("email_account_added"))
    totals = '{"emails_sent_mtd": %d, "workspace": "Northwind"}'
    rows_of(
        database,
        "update sender_emails_cache set settled = cast(:before as jsonb), settled_at = :began, "
        "settling = cast(:after as jsonb), settling_at = :ended",
        before=totals % 0,
        after=totals % 1,
        began=began,
        ended=ended,
    )
    other = Database(database_url)
    deliver_while(
        database,
        database_url,
        mail("email_sent", 1),
        lambda: reconcile(other, NORTHWIND, ended + timedelta(days=1)),
    )
    other.close()
    assert counters(database) == {"emails_sent_mtd": 1}


# --- both versions during a deployment --------------------------------------------------------------------------------


def formerly(database: Database, body: bytes) -> str:
    now = datetime(2026, 4, 2, tzinfo=UTC)
    return apply_formerly(database, body, workspace=NORTHWIND, instance="send.example.com", received_at=now)


def test_the_former_version_and_this_one_know_of_each_others_events(database: Database) -> None:
    log = a_months_log()
    for body in log:
        deliver(body)
    expected = tables(database)
    assert {formerly(database, body) for body in log} == {"duplicate"}
    assert tables(database) == expected
    forget_everything(database)
    for number, body in enumerate(log):
        if number % 2:
            assert formerly(database, body) == "processed"
        else:
            assert deliver(body)["events_processed"] == 1
    assert tables(database) == expected


def test_the_former_version_and_this_one_side_by_side_leave_what_one_delivery_leaves(
    database: Database, database_url: str
) -> None:
    log = a_months_log()
    for body in log:
        deliver(body)
    expected = tables(database)
    forget_everything(database)
    start = threading.Barrier(6)

    def send(seed: int) -> None:
        mine = random.Random(seed).sample(log, len(log))
        connection = Database(database_url)
        start.wait()
        for body in mine:
            if seed % 2:
                formerly(connection, body)
            else:
                assert deliver(body)["status"] == 200
        connection.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(send, range(6)))
    assert tables(database) == expected


def wait_for_a_waiter(database: Database) -> None:
    """Until somebody waits for a lock; where nobody has to, for two seconds."""
    for _ in range(40):
        if one(database, WAITING)["n"]:
            return
        threading.Event().wait(0.05)
