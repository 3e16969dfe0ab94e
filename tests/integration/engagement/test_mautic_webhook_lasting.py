"""Bounces that add up, events that wait for their customer, and contacts that are deleted in Mautic."""

from uuid import UUID

import pytest

from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.engagement.match_waiting import match_waiting
from crm_relay.platform.database import Database
from tests.support.customers.mautic_hooks import deleted, delivery, opened, recorded, subscription
from tests.support.customers.mautic_webhook_function import configure, counts, deliver
from tests.support.platform.rows import add_customer, one, rows_of

EMAIL = "hook.one@example.com"
UNSUBSCRIBE = recorded("97_hook_unsubscribe_get__lead_channel_subscription_changed").body
BOUNCE = recorded("97_hook_bounce_by_api_dnc_reason2__lead_channel_subscription_changed").body


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """Configured for this test's database."""
    configure(monkeypatch, database_url)


def bounces(*seconds: int, email: str = EMAIL, contact_id: int = 88) -> bytes:
    return delivery(
        lead_channel_subscription_changed=[
            subscription(new="bounced", email=email, contact_id=contact_id, at=f"2026-11-20T12:00:{second:02}+00:00")
            for second in seconds
        ]
    )


def dirty(database: Database) -> list[UUID]:
    return [row["customer_id"] for row in rows_of(database, "delete from mautic_dirty returning customer_id")]


def ledger(database: Database) -> list[tuple[str, str, str]]:
    rows = rows_of(database, "select channel, address, kind from consent_events order by id")
    return [(row["channel"], row["address"], row["kind"]) for row in rows]


# --- bounces ---------------------------------------------------------------------------------------------------------


def test_the_third_bounce_makes_the_address_invalid_for_good(database: Database) -> None:
    customer = add_customer(database, EMAIL, "second@example.com")
    seen = []
    for second in (1, 2, 3, 4):
        deliver(bounces(second))
        rows = rows_of(database, "select bounce_count, is_valid from customer_emails order by email")
        seen.append([(row["bounce_count"], row["is_valid"]) for row in rows])
    assert seen == [
        [(1, True), (0, True)],
        [(2, True), (0, True)],
        [(3, False), (0, True)],
        [(4, False), (0, True)],
    ]
    assert ledger(database) == [("email", EMAIL, "hard_bounce")]
    assert set(dirty(database)) == {customer}


def test_three_bounces_in_one_delivery_count_as_three(database: Database) -> None:
    add_customer(database, EMAIL)
    assert counts(deliver(bounces(2, 3, 1))) == (3, 0, 0, 0)
    assert one(database, "select is_valid from customer_emails")["is_valid"] is False
    # The latest of them stands in the ledger, whichever was read last.
    assert one(database, "select source_event from consent_events")["source_event"].endswith("20261120T120003Z")


def test_a_redelivered_bounce_is_not_counted_again(database: Database) -> None:
    add_customer(database, EMAIL)
    for body in (bounces(1), bounces(1), bounces(1, 2), bounces(2, 1)):
        deliver(body)
    assert one(database, "select bounce_count, is_valid from customer_emails") == {"bounce_count": 2, "is_valid": True}


def test_a_bounce_opts_nobody_out(database: Database) -> None:
    add_customer(database, "bounce.api@example.com")
    deliver(BOUNCE)
    assert one(database, "select marketing_opt_in from customer_profiles")["marketing_opt_in"] is True
    assert ledger(database) == []


# --- events that wait for their customer -----------------------------------------------------------------------------


def test_an_event_of_nobody_waits_and_takes_effect_when_the_customer_is_known(database: Database) -> None:
    assert counts(deliver(UNSUBSCRIBE)) == (0, 0, 1, 0)
    assert counts(deliver(bounces(1, 2, 3))) == (0, 0, 3, 0)
    assert ledger(database) == [("email", EMAIL, "opt_out")]
    assert match_waiting(database, CONTACTS) == 0

    customer = add_customer(database, EMAIL)
    assert match_waiting(database, CONTACTS) == 4
    assert match_waiting(database, CONTACTS) == 0
    assert one(database, "select marketing_opt_in from customer_profiles")["marketing_opt_in"] is False
    assert one(database, "select bounce_count, is_valid from customer_emails") == {"bounce_count": 3, "is_valid": False}
    assert ledger(database) == [("email", EMAIL, "opt_out"), ("email", EMAIL, "hard_bounce")]
    rows = rows_of(database, "select distinct customer_id from customer_email_engagement")
    assert [row["customer_id"] for row in rows] == [customer]


def test_an_event_waits_for_the_contact_as_well_as_for_the_address(database: Database) -> None:
    deliver(UNSUBSCRIBE)
    add_customer(database, "another@example.com", contact_id=88)
    assert match_waiting(database, CONTACTS) == 1
    assert one(database, "select marketing_opt_in from customer_profiles")["marketing_opt_in"] is False


def test_an_event_that_came_again_while_it_waited_counts_once(database: Database) -> None:
    for body in (bounces(1), bounces(1, 2)):
        deliver(body)
    add_customer(database, EMAIL)
    match_waiting(database, CONTACTS)
    assert counts(deliver(bounces(2, 1, 1))) == (0, 3, 0, 0)
    assert one(database, "select bounce_count from customer_emails")["bounce_count"] == 2


# --- deletions -------------------------------------------------------------------------------------------------------


def test_a_deleted_contact_is_forgotten_and_made_anew_by_the_next_sync(database: Database) -> None:
    customer = add_customer(database, EMAIL, contact_id=96)
    body = recorded("95_hook_delete__lead_post_delete").body
    assert counts(deliver(body)) == (1, 0, 0, 0)
    status = one(database, "select * from mautic_sync_status")
    assert (status["mautic_contact_id"], status["sync_hash"], status["segments"]) == (None, None, [])
    assert (status["segments_settled"], status["dnc_reason"]) == (True, None)
    assert one(database, "select mautic_contact_id, customer_id from mautic_former_contacts") == {
        "mautic_contact_id": 96,
        "customer_id": customer,
    }
    assert dirty(database) == [customer]
    late = delivery(lead_post_delete=[deleted(96)], email_on_open=[opened(contact_id=96, email="no@example.com")])
    assert counts(deliver(late)) == (1, 1, 0, 0)
    assert dirty(database) == []


def test_a_deletion_of_a_contact_that_was_replaced_meanwhile_changes_nothing(database: Database) -> None:
    add_customer(database, EMAIL, contact_id=97)
    assert counts(deliver(recorded("95_hook_delete__lead_post_delete").body)) == (0, 0, 0, 1)
    assert one(database, "select mautic_contact_id from mautic_sync_status")["mautic_contact_id"] == 97
    assert dirty(database) == []
