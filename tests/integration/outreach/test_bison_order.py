"""However often and in whatever order a log of deliveries comes, every table ends up the same."""

import random
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crm_relay.platform.database import Database
from crm_relay.sources.bison import bison_source
from crm_relay.webhooks.models import Delivered, DeliveryOutcome, Origin
from crm_relay.webhooks.receive import apply_all_stored
from local.simulators.bison.webhooks.events import reserialised
from tests.support.outreach.bison_events import a_months_log, address, counters, forget_everything
from tests.support.outreach.bison_webhook_function import NORTHWIND, configure, deliver, plant_workspaces, tables
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import add_customer, rows_of

LOG = a_months_log()
SOURCE = bison_source("send.example.com")


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> None:
    """Configured for this test's database; the leads are customers as well."""
    configure(monkeypatch, database_url)
    plant_workspaces(database, timezone="Pacific/Auckland")
    for lead in (1, 2, 3):
        add_customer(database, address(lead))


def start_again(database: Database) -> None:
    forget_everything(database)
    rows_of(database, "update customer_profiles set opted_out_at = null")


def send(log: list[bytes]) -> None:
    assert {deliver(body)["status"] for body in log} == {200}


def test_a_log_that_is_replayed_a_hundred_times_leaves_what_it_left_the_first_time(database: Database) -> None:
    send(LOG)
    expected = tables(database)
    assert len(expected["first_lines"]) == len(LOG) > 60
    assert sum(counters(database).values()) == sum(row["amount"] for row in expected["first_lines"]) == 41
    assert {row["metric_type"] for row in expected["client_metrics"]} <= {"mtd", "month"}
    assert len(expected["client_leads"]) == len(expected["sender_emails_cache"]) == 3
    assert expected["consent_events"]
    for round_number in range(2, 101):
        send(LOG)
        if round_number in {2, 10, 100}:
            assert tables(database) == expected, f"round {round_number}"


def test_the_order_of_a_log_leaves_no_trace(database: Database) -> None:
    send(LOG)
    expected = tables(database)

    # A log of this length would take longer to shrink than a test may take.
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(st.permutations(LOG))
    def in_any_order(log: list[bytes]) -> None:
        start_again(database)
        send(log)
        assert tables(database) == expected

    in_any_order()


@pytest.mark.parametrize("seed", range(4))
def test_repetitions_between_the_others_leave_no_trace(database: Database, seed: int) -> None:
    send(LOG)
    expected = tables(database)
    chance = random.Random(seed)
    log = LOG + chance.sample(LOG, 30) + [reserialised(body) for body in chance.sample(LOG, 30)]
    chance.shuffle(log)
    start_again(database)
    send(log)
    assert tables(database) == expected


def test_backwards_is_an_order_too(database: Database) -> None:
    send(LOG)
    left = partial(tables, database)
    expected = left()
    start_again(database)
    send(LOG[::-1])
    assert left() == expected


def stored(body: bytes, origin: Origin) -> Delivered:
    received_at = datetime(2026, 4, 2, tzinfo=UTC)
    return Delivered("bison", body, received_at, workspace_name=NORTHWIND, origin=origin)


@pytest.mark.parametrize("seed", range(6))
def test_deliveries_that_share_a_transaction_leave_what_each_by_itself_leaves(database: Database, seed: int) -> None:
    send(LOG)
    expected = tables(database)
    chance = random.Random(seed)
    log = LOG + chance.sample(LOG, 20) + [reserialised(body) for body in chance.sample(LOG, 20)]
    chance.shuffle(log)
    start_again(database)
    origin: Origin = "deferred" if seed % 2 else "replay"
    batches = [[stored(body, origin) for body in log[start : start + 30]] for start in range(0, len(log), 30)]
    outcomes = [each for batch in batches for each in apply_all_stored(database, SOURCE, batch)]
    assert tables(database) == expected
    done = [each for each in outcomes if isinstance(each, DeliveryOutcome)]
    assert (sum(each.processed for each in done), sum(each.duplicates for each in done)) == (len(LOG), 40)


def test_a_batch_is_applied_in_two_messages(database: Database, database_url: str) -> None:
    with CountingProxy(database_url) as proxy:
        counted = Database(proxy.url)
        outcomes = apply_all_stored(counted, SOURCE, [stored(body, "deferred") for body in LOG[:50]])
        counted.close()
        assert outcomes == [DeliveryOutcome(processed=1)] * 50
        assert len(proxy.queries) == 2
