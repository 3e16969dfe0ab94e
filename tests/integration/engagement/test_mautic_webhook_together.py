"""Deliveries that share a transaction, or meet the former version, leave what one after the other leaves."""

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.engagement.match_waiting import match_waiting
from crm_relay.platform.database import Database, Row
from crm_relay.sources.mautic import MAUTIC
from crm_relay.webhooks.models import DeliveryOutcome
from crm_relay.webhooks.receive import apply_together
from tests.support.customers.former_engagement import apply_formerly, match_formerly
from tests.support.customers.mautic_deliveries import RECEIVED_AT, apply, received
from tests.support.customers.mautic_hooks import deleted, delivery, opened, subscription
from tests.support.customers.mautic_webhook_function import tables
from tests.support.platform.rows import rows_of

ADDRESSES = ["ada@example.com", "bea@example.com", "cleo@example.com", "shared@example.com"]
WAITING = """select source_event, address, number_end, source_person, customer_id, occurred_at
             from waiting_opt_outs order by source_event"""
KINDS = ["opened", "opened", "bounced", "bounced", "bounced", "unsubscribed", "manual", "text", "deleted"]


def start_again(database: Database) -> None:
    """Three customers: each has an address and a contact, two share an address, and two have one contact."""
    rows_of(
        database,
        "truncate webhook_inbox, customer_email_engagement, consent_events, customer_profiles, mautic_former_contacts, "
        "mautic_dirty, mautic_sync_status, customer_emails, customer_phones, mautic_removals, waiting_opt_outs cascade",
    )
    for number, contact_id in enumerate((1, 2, 2)):
        rows_of(
            database,
            "insert into customer_profiles (id, marketing_opt_in, created_at) values (:id, true, :at)",
            id=UUID(int=number + 1),
            at=RECEIVED_AT,
        )
        for email in ADDRESSES[number : number + 1] + ADDRESSES[3:] * (number > 0):
            rows_of(
                database,
                "insert into customer_emails (customer_id, email) values (:id, :email)",
                id=UUID(int=number + 1),
                email=email,
            )
        rows_of(
            database,
            "insert into mautic_sync_status (customer_id, mautic_contact_id) values (:id, :contact)",
            id=UUID(int=number + 1),
            contact=contact_id,
        )


def some_event(chance: random.Random, prefixes: Sequence[str]) -> tuple[str, Any]:
    kind, contact_id = chance.choice(KINDS), chance.randint(1, 4)
    email, second = chance.choice([*ADDRESSES, "nobody@example.com"]), chance.randint(0, 9)
    if kind == "opened":
        return "email_on_open", opened(contact_id=contact_id, email=email, tracking=f"t{second}")
    if kind == "deleted":
        return "lead_post_delete", deleted(contact_id, f"2026-11-20T12:25:{second:02}+00:00")
    named = str(UUID(int=chance.randint(1, 4))) if chance.random() < 0.3 else None
    mobile = f"{chance.choice(prefixes)}40011122{second}"
    text: dict[str, Any] = {"channel": "sms", "mobile": mobile} if kind == "text" else {}
    new = "unsubscribed" if kind == "text" else kind
    at = f"2026-11-20T12:30:{second:02}+00:00"
    return "lead_channel_subscription_changed", subscription(
        contact_id=contact_id, email=email, new=new, at=at, supabase_id=named, **text
    )


def some_delivery(chance: random.Random, prefixes: Sequence[str] = ("+61",)) -> bytes:
    events: dict[str, list[Any]] = {}
    for _ in range(chance.randint(1, 5)):
        name, event = some_event(chance, prefixes)
        events.setdefault(name, []).append(event)
    return delivery(**events)


def batches(chance: random.Random, bodies: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    start = 0
    while start < len(bodies):
        size = chance.randint(1, 12)
        yield bodies[start : start + size]
        start += size


def state(database: Database) -> dict[str, list[Row]]:
    """By when the ledger has a line too: a stamp that moves by a microsecond each time is no difference."""
    found = tables(database)
    for row in found["customer_profiles"]:
        row["opted_out_at"] = row["opted_out_at"] and row["opted_out_at"].replace(microsecond=0)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_deliveries_that_share_a_transaction_leave_what_one_after_the_other_leaves(
    database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    bodies = [some_delivery(chance, ("+61", "0")) for _ in range(40)]
    bodies += chance.sample(bodies, 10)

    start_again(database)
    expected = [apply(database, body) for body in bodies]
    alone, waiting_alone = state(database), rows_of(database, WAITING)
    assert waiting_alone
    assert {count for each in expected for count, times in vars(each).items() if times} >= {
        "processed",
        "duplicates",
        "unmatched",
    }

    start_again(database)
    outcomes: list[DeliveryOutcome] = []
    for batch in batches(chance, bodies):
        outcomes += apply_together(database, MAUTIC, [received(body) for body in batch])
    assert outcomes == expected
    assert state(database) == alone
    assert rows_of(database, WAITING) == waiting_alone


# --- both versions during a deployment -------------------------------------------------------------------------------


def apply_either(database: Database, body: bytes, *, former: bool) -> None:
    if former:
        apply_formerly(database, body, RECEIVED_AT)
    else:
        apply(database, body)


@pytest.mark.parametrize("seed", range(4))
def test_the_former_version_and_this_one_in_turn_leave_what_each_alone_leaves(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    bodies = [some_delivery(chance) for _ in range(40)]
    left = []
    for turns in ([True] * 40, [False] * 40, [chance.random() < 0.5 for _ in bodies]):
        start_again(database)
        for body, former in zip(bodies, turns, strict=True):
            apply_either(database, body, former=former)
        rows_of(database, "update mautic_sync_status set mautic_contact_id = 3 where customer_id = :id", id=UUID(int=1))
        if turns[0]:
            match_formerly(database)
        else:
            match_waiting(database, CONTACTS)
        left.append(state(database))
    assert left[0] == left[1]
    assert left[0] == left[2]


def test_the_former_version_and_this_one_side_by_side_count_every_bounce_once(
    database: Database, database_url: str
) -> None:
    start_again(database)
    bodies = [
        delivery(
            lead_channel_subscription_changed=[
                subscription(contact_id=1, email=ADDRESSES[0], new="bounced", at=f"2026-11-20T12:30:{second:02}+00:00")
            ],
            email_on_open=[opened(contact_id=1, email=ADDRESSES[0], tracking=f"t{second}")],
        )
        for second in range(24)
    ]
    start = threading.Barrier(4)

    def send(seed: int) -> None:
        mine = random.Random(seed).sample(bodies, len(bodies))
        connection = Database(database_url)
        start.wait()
        for body in mine:
            apply_either(connection, body, former=bool(seed % 2))
        connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(send, range(4)))
    rows = rows_of(
        database, "select bounce_count, is_valid from customer_emails where email = :email", email=ADDRESSES[0]
    )
    assert rows == [{"bounce_count": 24, "is_valid": False}]
    assert len(rows_of(database, "select from customer_email_engagement")) == 48
    assert len(rows_of(database, "select from consent_events where kind = 'hard_bounce'")) == 1
