"""Two messages a delivery, whatever is in it, and as many statements for ten events as for one."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crm_relay.consent.erase import block_return
from crm_relay.consent.person import Person
from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.engagement.apply_events import apply_events
from crm_relay.engagement.match_waiting import match_waiting
from crm_relay.platform.database import Database
from crm_relay.sources.mautic import MAUTIC
from crm_relay.webhooks.models import DeliveryOutcome
from crm_relay.webhooks.receive import apply_all_stored
from tests.support.customers.mautic_deliveries import RECEIVED_AT, apply, delivered, received
from tests.support.customers.mautic_hooks import all_recorded, deleted, delivery, opened, subscription
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import add_customer, one, rows_of

Counted = tuple[CountingProxy, Database]


@pytest.fixture
def counted(database_url: str) -> Iterator[Counted]:
    """A connection whose messages are counted."""
    with CountingProxy(database_url) as proxy:
        mine = Database(proxy.url)
        apply(mine, delivery(email_on_open=[opened(tracking="warm")]))
        yield proxy, mine
        mine.close()


def address(number: int) -> str:
    return f"c{number}@example.com"


def change(number: int, new: str, second: int = 0, **more: Any) -> dict[str, Any]:
    at = f"2026-11-20T12:{number:02}:{second:02}+00:00"
    return subscription(contact_id=number, email=address(number), new=new, at=at, **more)


def changes(new: str, *numbers: int, times: int = 1, **more: Any) -> bytes:
    return delivery(
        lead_channel_subscription_changed=[
            change(number, new, second, **more) for number in numbers for second in range(times)
        ]
    )


KINDS: dict[str, Callable[..., bytes]] = {
    "open": lambda *numbers: delivery(
        email_on_open=[opened(contact_id=each, email=address(each), tracking=f"t{each}") for each in numbers]
    ),
    "unsubscribe": lambda *numbers: changes("unsubscribed", *numbers),
    "bounce": lambda *numbers: changes("bounced", *numbers),
    "third bounce": lambda *numbers: changes("bounced", *numbers, times=3),
    "opt-out from text messages": lambda *numbers: changes(
        "unsubscribed", *numbers, channel="sms", mobile="+61400111222"
    ),
    "the same without a number of its own": lambda *numbers: changes(
        "unsubscribed", *numbers, channel="sms", mobile="0400 111 222"
    ),
    "deletion": lambda *numbers: delivery(lead_post_delete=[deleted(each) for each in numbers]),
}


def plant(database: Database, size: int) -> None:
    for number in range(1, size + 1):
        customer = add_customer(database, address(number), contact_id=number)
        rows_of(
            database,
            "insert into customer_phones (customer_id, phone_e164, is_primary) values (:id, :phone, true)",
            id=customer,
            phone=f"+6140011100{number % 10}",
        )


def statements(proxy: CountingProxy) -> list[int]:
    """Of each message."""
    return [message.count("\n; ") + 1 for message in proxy.queries]


@pytest.mark.parametrize("is_known", [True, False], ids=["of customers", "of nobody"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_delivery_costs_two_messages_and_no_more_statements_for_ten_events_than_for_one(
    database: Database, counted: Counted, kind: str, is_known: bool
) -> None:
    proxy, mine = counted
    if is_known:
        plant(database, 11)
    costs = []
    for numbers in ((11,), range(1, 11)):
        proxy.forget()
        outcome = apply(mine, KINDS[kind](*numbers))
        costs.append((len(proxy.queries), statements(proxy)))
        assert outcome.processed == (
            len(numbers) * (3 if kind == "third bounce" else 1) if is_known else outcome.processed
        )
    assert proxy.other_messages == []
    assert costs[0] == costs[1]
    assert costs[0][0] == 2


def test_a_delivery_that_came_before_costs_two_messages_and_writes_nothing(counted: Counted) -> None:
    proxy, mine = counted
    body = KINDS["unsubscribe"](1, 2)
    apply(mine, body)
    proxy.forget()
    assert apply(mine, body) == DeliveryOutcome(duplicates=2)
    assert len(proxy.queries) == 2
    assert proxy.queries[-1] == "commit"


def test_a_delivery_about_an_erased_person_costs_two_messages(database: Database, counted: Counted) -> None:
    proxy, mine = counted
    block_return(database, Person(addresses=frozenset([address(1)])), RECEIVED_AT)
    proxy.forget()
    apply(mine, KINDS["open"](1, 2))
    assert len(proxy.queries) == 2
    assert address(1) not in str(rows_of(database, "select body from webhook_inbox"))
    assert address(1) not in str(rows_of(database, "select each::text from customer_email_engagement each"))


def test_fifty_deliveries_cost_two_messages(database: Database, counted: Counted) -> None:
    proxy, mine = counted
    plant(database, 10)
    stored = [delivered(changes(new, 1 + turn % 10, times=1 + turn // 10)) for turn, new in enumerate(["bounced"] * 50)]
    proxy.forget()
    outcomes = apply_all_stored(mine, MAUTIC, stored)
    assert len(proxy.queries) == 2
    assert sum(each.processed for each in outcomes if isinstance(each, DeliveryOutcome)) == 50
    assert one(database, "select min(bounce_count) as low, max(bounce_count) as high from customer_emails") == {
        "low": 5,
        "high": 5,
    }


def test_missed_events_and_numbers_of_an_erased_person_leave_no_trace_of_them(database: Database) -> None:
    block_return(database, Person(addresses=frozenset([address(1)]), phones=frozenset(["+61400111222"])), RECEIVED_AT)
    body = KINDS["open"](1, 2)
    counts = apply_events(database, received(body).parsed.events, CONTACTS)
    assert counts == {"unmatched": 2}
    stored = rows_of(database, "select address, raw_payload is null as is_empty from customer_email_engagement")
    assert {(row["address"], row["is_empty"]) for row in stored} == {(None, True), (address(2), False)}
    texts = received(changes("unsubscribed", 3, channel="sms", mobile="+61400111222")).parsed.events
    assert apply_events(database, texts, CONTACTS) == {"unmatched": 1}
    assert "+61400111222" not in str(rows_of(database, "select each::text from consent_events each"))


def test_events_that_were_missed_cost_two_messages(database: Database, counted: Counted) -> None:
    proxy, mine = counted
    plant(database, 10)
    events = received(KINDS["open"](*range(1, 11), 500)).parsed.events
    proxy.forget()
    assert apply_events(mine, events, CONTACTS) == {"processed": 10, "unmatched": 1}
    assert len(proxy.queries) == 2
    assert apply_events(mine, events, CONTACTS) == {"duplicates": 11}


def test_events_that_wait_cost_five_messages_however_many_find_their_customer(
    database: Database, counted: Counted
) -> None:
    proxy, mine = counted
    rows_of(database, "delete from customer_email_engagement")
    proxy.forget()
    assert match_waiting(mine, CONTACTS) == 0
    assert len(proxy.queries) == 1
    apply(mine, changes("bounced", *range(1, 11), times=3))
    apply(mine, changes("unsubscribed", *range(1, 11)))
    plant(database, 1)
    proxy.forget()
    assert match_waiting(mine, CONTACTS) == 4
    assert len(proxy.queries) == 5
    few = statements(proxy)
    rows_of(database, "delete from customer_profiles")
    rows_of(database, "delete from mautic_removals")
    plant(database, 10)
    proxy.forget()
    assert match_waiting(mine, CONTACTS) == 9 * 4
    assert len(proxy.queries) == 5
    assert statements(proxy) == few


def test_every_recorded_delivery_costs_two_messages(counted: Counted) -> None:
    proxy, mine = counted
    for hook in all_recorded():
        proxy.forget()
        apply(mine, hook.body)
        assert len(proxy.queries) == 2, hook.name
