"""Deliveries that come at the same moment: nothing is lost, nothing counts twice, and no deadlock is seen outside."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from crm_relay.outreach.apply_delivery import apply_delivery
from crm_relay.outreach.models import Arrival
from crm_relay.outreach.polling.reconcile import reconcile
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.sql import Query
from crm_relay.providers.bison import webhook
from tests.support.outreach.bison_events import METRICS, a_months_log, account_event, counters, forget_everything, mail
from tests.support.outreach.bison_webhook_function import NORTHWIND, configure, deliver, plant_workspaces, tables
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


def applied(transaction: Transaction, body: bytes) -> None:
    now = datetime(2026, 3, 12, tzinfo=UTC)
    apply_delivery(transaction, Arrival(NORTHWIND, "0" * 64, now, "send.example.com"), webhook.parse(body, now=now))


@pytest.mark.parametrize("kinds", [("lead_replied", "lead_interested"), ("lead_interested", "lead_replied")])
def test_two_events_of_one_lead_at_once_know_of_each_other(
    database: Database, database_url: str, kinds: tuple[str, str]
) -> None:
    first, second = (mail(kind, number) for number, kind in enumerate(kinds))
    slow = Database(database_url)
    with ThreadPoolExecutor(1) as thread:

        def work(transaction: Transaction) -> None:
            applied(transaction, first)
            answers.append(thread.submit(deliver, second))
            wait_for_a_waiter(database)

        answers: list[object] = []
        slow.transact(work)
    slow.close()
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
    other, slow = Database(database_url), Database(database_url)
    with ThreadPoolExecutor(1) as thread:

        def work(transaction: Transaction) -> None:
            applied(transaction, mail("email_sent", 1))
            found.append(thread.submit(reconcile, other, NORTHWIND, ended + timedelta(days=1)))
            wait_for_a_waiter(database)

        found: list[object] = []
        slow.transact(work)
    for each in (other, slow):
        each.close()
    assert counters(database) == {"emails_sent_mtd": 1}


def wait_for_a_waiter(database: Database) -> None:
    """Until somebody waits for a lock; where nobody has to, for two seconds."""
    for _ in range(40):
        if one(database, WAITING)["n"]:
            return
        threading.Event().wait(0.05)
