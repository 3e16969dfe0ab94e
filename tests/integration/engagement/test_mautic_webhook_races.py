"""Deliveries that arrive at the same moment: each waits for what the other has locked, and loses nothing."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.engagement.apply_events import apply_events
from crm_relay.engagement.match_waiting import match_waiting
from crm_relay.platform.database import Database, Row
from crm_relay.webhooks.models import DeliveryOutcome
from tests.support.customers.mautic_deliveries import (
    apply,
    apply_during,
    bounces,
    during,
    received,
    unsubscribe,
)
from tests.support.customers.mautic_hooks import deleted, delivery, opened
from tests.support.platform.rows import add_customer, one, rows_of

EMAIL = "hook.one@example.com"
LATER = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


def counted(database: Database) -> Row:
    return one(database, "select bounce_count, is_valid from customer_emails")


def ledger(database: Database) -> list[tuple[str, str]]:
    rows = rows_of(database, "select kind, source_event from consent_events order by kind, source_event")
    return [(row["kind"], row["source_event"].rpartition(":")[2]) for row in rows]


def test_bounces_of_one_address_in_two_deliveries_at_once_add_up_and_mute_it(
    database: Database, database_url: str
) -> None:
    add_customer(database, EMAIL)
    apply(database, bounces(1, email=EMAIL))
    apply_during(database_url, bounces(3, email=EMAIL), lambda other: apply(other, bounces(2, email=EMAIL)))
    assert counted(database) == {"bounce_count": 3, "is_valid": False}
    assert ledger(database) == [("hard_bounce", "20261120T120003Z")]


def test_bounces_of_two_customers_who_share_an_address_wait_for_each_other(
    database: Database, database_url: str
) -> None:
    for contact_id in (1, 2):
        add_customer(database, EMAIL, contact_id=contact_id)
    first, second = (bounces(1, 2, 3, email=EMAIL, contact_id=contact_id) for contact_id in (1, 2))
    apply_during(database_url, first, lambda other: apply(other, second))
    rows = rows_of(database, "select bounce_count, is_valid from customer_emails")
    assert rows == [{"bounce_count": 3, "is_valid": False}] * 2


def test_a_bounce_by_webhook_beside_bounces_that_waited_adds_up_and_mutes_the_address(
    database: Database, database_url: str
) -> None:
    apply(database, bounces(1, 2, email=EMAIL))
    add_customer(database, EMAIL)
    matched = during(
        database_url,
        lambda mine: match_waiting(mine, CONTACTS),
        lambda other: apply(other, bounces(3, email=EMAIL)),
    )
    assert matched == 2
    assert counted(database) == {"bounce_count": 3, "is_valid": False}
    assert [kind for kind, _ in ledger(database)] == ["hard_bounce"]


def test_two_runs_that_look_for_customers_of_waiting_events_give_each_event_once(
    database: Database, database_url: str
) -> None:
    apply(database, bounces(1, 2, email=EMAIL))
    add_customer(database, EMAIL)
    also: list[int] = []
    matched = during(
        database_url,
        lambda mine: match_waiting(mine, CONTACTS),
        lambda other: also.append(match_waiting(other, CONTACTS)),
    )
    assert (matched, also) == (2, [0])
    assert counted(database) == {"bounce_count": 2, "is_valid": True}


@pytest.mark.parametrize("is_known", [True, False])
def test_one_event_in_two_deliveries_at_once_counts_once(database: Database, database_url: str, is_known: bool) -> None:
    if is_known:
        add_customer(database, EMAIL)
    first = delivery(email_on_open=[opened(tracking="a"), opened(tracking="b")])
    second = delivery(email_on_open=[opened(tracking="b"), opened(tracking="c")])
    others: list[DeliveryOutcome] = []
    outcome = apply_during(database_url, first, lambda other: others.append(apply(other, second)))
    assert sorted([outcome.duplicates, others[0].duplicates]) == [0, 1]
    assert len(rows_of(database, "select from customer_email_engagement")) == 3
    assert len(rows_of(database, "select from webhook_inbox")) == 2


def test_an_open_that_was_missed_and_comes_by_webhook_after_all_counts_once(
    database: Database, database_url: str
) -> None:
    add_customer(database, EMAIL)
    body = delivery(email_on_open=[opened()])
    read = during(
        database_url,
        lambda mine: apply_events(mine, received(body).parsed.events, CONTACTS),
        lambda other: apply(other, body),
    )
    assert read == {"duplicates": 1}
    assert len(rows_of(database, "select from customer_email_engagement")) == 1


def forget(database: Database) -> None:
    rows_of(database, "delete from customer_profiles")


def test_an_open_that_was_missed_of_a_customer_who_is_being_deleted_waits(
    database: Database, database_url: str
) -> None:
    add_customer(database, EMAIL)
    events = received(delivery(email_on_open=[opened()])).parsed.events
    read = during(database_url, lambda mine: apply_events(mine, events, CONTACTS), forget)
    assert read == {"unmatched": 1}


def test_an_event_whose_customer_is_deleted_while_it_is_given_to_them_goes_on_waiting(
    database: Database, database_url: str
) -> None:
    apply(database, delivery(email_on_open=[opened()]))
    add_customer(database, EMAIL)
    assert during(database_url, lambda mine: match_waiting(mine, CONTACTS), forget) == 0
    assert one(database, "select customer_id from customer_email_engagement")["customer_id"] is None


def test_a_contact_whose_deletion_is_reported_twice_at_once_is_forgotten_once(
    database: Database, database_url: str
) -> None:
    customer = add_customer(database, EMAIL, contact_id=96)
    first, second = (
        delivery(lead_post_delete=[deleted(96, f"2026-11-20T12:25:{second}+00:00")]) for second in (25, 26)
    )
    others: list[DeliveryOutcome] = []
    outcome = apply_during(database_url, first, lambda other: others.append(apply(other, second)))
    assert (outcome, others) == (DeliveryOutcome(processed=1), [DeliveryOutcome(duplicates=1)])
    assert noted(database) == [customer]


def noted(database: Database) -> list[UUID]:
    return [row["customer_id"] for row in rows_of(database, "select customer_id from mautic_dirty")]


@pytest.mark.parametrize("hour", [11, 12])
def test_an_unsubscribe_beside_an_opt_out_of_another_source_leaves_the_later_mark_and_both_lines(
    database: Database, database_url: str, hour: int
) -> None:
    add_customer(database, EMAIL)
    by_mail = ConsentEvent(ConsentKind.OPT_OUT, EMAIL, "resend", LATER.replace(hour=hour), source_event="resend:1")
    apply_during(database_url, unsubscribe(1, email=EMAIL), lambda other: record_events(other, [by_mail]))
    profile = one(database, "select marketing_opt_in, opted_out_at from customer_profiles")
    assert profile["marketing_opt_in"] is False
    assert profile["opted_out_at"] >= max(by_mail.occurred_at, datetime(2026, 11, 20, 12, 0, 1, tzinfo=UTC))
    assert len(ledger(database)) == 2
