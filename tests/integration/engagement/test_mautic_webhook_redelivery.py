"""However often, in whatever order and in whatever company events are delivered, the tables end up the same."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.engagement.match_waiting import match_waiting
from crm_relay.platform.database import Database
from tests.support.customers.mautic_hooks import all_recorded, body_of, deleted, delivery, opened, subscription
from tests.support.customers.mautic_webhook_function import configure, counts, deliver, tables
from tests.support.platform.rows import one, rows_of

HOOKED, BOUNCING, GONE = "hook.one@example.com", "bounce.api@example.com", "todelete@example.com"


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """Configured for this test's database."""
    configure(monkeypatch, database_url)


def change(new: str, second: int, *, email: str = HOOKED, contact_id: int = 88, **more: Any) -> dict[str, Any]:
    at = f"2026-11-20T12:30:{second:02}+00:00"
    return subscription(new=new, email=email, contact_id=contact_id, at=at, **more)


# Beside the recordings: what makes order matter if anything does.
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("lead_channel_subscription_changed", change("unsubscribed", 1)),
    ("lead_channel_subscription_changed", change("contactable", 2, old="unsubscribed")),
    ("lead_channel_subscription_changed", change("manual", 3)),
    ("lead_channel_subscription_changed", change("unsubscribed", 4, channel="sms", mobile="+61400111222")),
    ("lead_channel_subscription_changed", change("bounced", 5, email=BOUNCING, contact_id=93)),
    ("lead_channel_subscription_changed", change("bounced", 6, email=BOUNCING, contact_id=93)),
    ("lead_channel_subscription_changed", change("unsubscribed", 7, email=GONE, contact_id=96)),
    ("lead_channel_subscription_changed", change("unsubscribed", 8, email="nobody@example.com", contact_id=500)),
    ("email_on_open", opened(tracking="a", count=1)),
    ("email_on_open", opened(tracking="a", count=2)),
    ("email_on_open", opened(tracking="b", contact_id=96, email="changed@example.com")),
    ("lead_post_delete", deleted(96)),
]
ALONE = [delivery(**{name: [event]}) for name, event in EVENTS]
DELIVERIES = [hook.body for hook in all_recorded()] + ALONE


def start_again(database: Database) -> None:
    rows_of(
        database,
        "truncate webhook_inbox, customer_email_engagement, consent_events, customer_profiles, mautic_former_contacts, "
        "mautic_dirty, mautic_sync_status, customer_emails cascade",
    )
    for number, (email, contact_id) in enumerate([(HOOKED, 88), (BOUNCING, 93), (GONE, 96)]):
        rows_of(
            database,
            "insert into customer_profiles (id, marketing_opt_in) values (cast(:id as uuid), true)",
            id=f"00000000-0000-4000-8000-00000000010{number}",
        )
        rows_of(
            database,
            "with mail as (insert into customer_emails (customer_id, email) values (cast(:id as uuid), :email)) "
            "insert into mautic_sync_status (customer_id, mautic_contact_id) values (cast(:id as uuid), :contact)",
            id=f"00000000-0000-4000-8000-00000000010{number}",
            email=email,
            contact=contact_id,
        )


def test_order_and_repetition_leave_no_trace(database: Database) -> None:
    start_again(database)
    for body in DELIVERIES:
        assert deliver(body)["status"] == 200
    expected = tables(database)
    assert len(expected["customer_email_engagement"]) == 15

    for seed in range(12):
        chance = random.Random(seed)
        order = DELIVERIES + chance.sample(DELIVERIES, len(DELIVERIES) // 2)
        chance.shuffle(order)
        start_again(database)
        for body in order:
            deliver(body)
            if chance.random() < 0.1:
                match_waiting(database, CONTACTS)
        assert tables(database) == expected, f"seed {seed}"


def test_in_what_company_an_event_comes_leaves_no_trace_but_in_the_inbox(database: Database) -> None:
    def without_inbox() -> dict[str, Any]:
        return {name: rows for name, rows in tables(database).items() if name != "webhook_inbox"}

    start_again(database)
    for body in ALONE:
        deliver(body)
    expected = without_inbox()
    for seed in range(12):
        chance = random.Random(seed)
        events = EVENTS + chance.sample(EVENTS, 6)
        chance.shuffle(events)
        start_again(database)
        while events:
            batch: dict[str, list[Any]] = {}
            for name, event in events[: chance.randint(1, 6)]:
                batch.setdefault(f"mautic.{name}", []).append(event)
            del events[: sum(map(len, batch.values()))]
            deliver(body_of(batch))
        assert without_inbox() == expected, f"seed {seed}"


def test_one_delivery_that_arrives_at_the_same_moment_many_times_takes_effect_once(database: Database) -> None:
    start_again(database)
    body = delivery(lead_channel_subscription_changed=[change("bounced", 5, email=BOUNCING, contact_id=93)])
    start = threading.Barrier(8)

    def together(_: int) -> tuple[int, int, int, int]:
        start.wait()
        return counts(deliver(body))

    with ThreadPoolExecutor(8) as threads:
        answers = sorted(threads.map(together, range(8)))
    assert answers == [(0, 1, 0, 0)] * 7 + [(1, 0, 0, 0)]
    assert one(database, "select sum(bounce_count)::integer as n from customer_emails")["n"] == 1


def test_deliveries_that_share_events_and_customers_do_not_lock_each_other_out(database: Database) -> None:
    start_again(database)
    shared = [
        [change("unsubscribed", second) for second in range(1, 9)]
        + [change("bounced", second, email=BOUNCING, contact_id=93) for second in range(1, 9)]
        for _ in range(12)
    ]
    for number, events in enumerate(shared):
        random.Random(number).shuffle(events)

    def send(events: list[dict[str, Any]]) -> dict[str, Any]:
        return deliver(delivery(lead_channel_subscription_changed=events))

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(send, shared))
    assert [answer["status"] for answer in answers] == [200] * 12
    assert sum(answer["events_processed"] for answer in answers) == 16
    assert one(database, "select bounce_count from customer_emails where bounce_count > 0")["bounce_count"] == 8
