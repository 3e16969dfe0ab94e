"""An event that the database refuses holds up no other, whether it waits or was missed by the webhook."""

from datetime import UTC, datetime

import pytest

from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.engagement.apply_events import apply_events
from crm_relay.engagement.match_waiting import match_waiting
from crm_relay.platform.database import Database
from crm_relay.providers.mautic.events import MauticEvent
from tests.support.customers.mautic_deliveries import apply, bounces
from tests.support.customers.mautic_hooks import delivery, subscription
from tests.support.platform.rows import add_customer, one, rows_of

PEOPLE = 20
REFUSED = "p7@example.com"
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def refuse(database: Database) -> None:
    """Nothing of theirs can be counted any more."""
    rows_of(
        database,
        "update customer_emails set bounce_count = 2147483647 where email = :email returning id",
        email=REFUSED,
    )


def waiting(database: Database) -> set[str]:
    return {
        row["address"]
        for row in rows_of(database, "select address from customer_email_engagement where customer_id is null")
    }


def test_a_waiting_event_that_is_refused_goes_on_waiting_alone(database: Database) -> None:
    for number in range(PEOPLE):
        apply(database, bounces(1, email=f"p{number}@example.com", contact_id=100 + number))
        add_customer(database, f"p{number}@example.com")
    refuse(database)
    assert match_waiting(database, CONTACTS) == PEOPLE - 1
    assert waiting(database) == {REFUSED}
    assert one(database, "select count(*) as n from customer_emails where bounce_count = 1")["n"] == PEOPLE - 1
    assert match_waiting(database, CONTACTS) == 0
    rows_of(database, "update customer_emails set bounce_count = 0 where email = :email returning id", email=REFUSED)
    assert match_waiting(database, CONTACTS) == 1


def test_somebody_with_many_refused_events_stops_no_run_and_hides_nobody(database: Database) -> None:
    for second in range(12):
        apply(database, bounces(second, email=REFUSED, contact_id=107))
    apply(database, bounces(1, email="ada@example.com", contact_id=108))
    add_customer(database, REFUSED)
    add_customer(database, "ada@example.com")
    refuse(database)
    given = 0
    for _ in range(100):
        given += match_waiting(database, CONTACTS)
        if given:
            break
    assert (given, waiting(database)) == (1, {REFUSED})
    assert match_waiting(database, CONTACTS) == 0


def test_an_opt_out_at_the_end_of_time_leaves_a_time_that_can_be_read(database: Database) -> None:
    customer = add_customer(database, "ada@example.com")
    last = datetime.max.replace(tzinfo=UTC)
    for contact_id in (101, 102):
        # The application subscribes them once more.
        rows_of(
            database, "update customer_profiles set marketing_opt_in = true where id = :id returning id", id=customer
        )
        event = subscription(email="ada@example.com", contact_id=contact_id, at=last.isoformat())
        apply(database, delivery(lead_channel_subscription_changed=[event]))
    row = one(database, "select marketing_opt_in, opted_out_at from customer_profiles")
    # pg8000 hands over a time behind the year 9999 as text.
    assert (row["marketing_opt_in"], type(row["opted_out_at"])) == (False, datetime)


@pytest.mark.parametrize("url", ["https://example.com/\x00", "https://example.com/\ud800"], ids=["NUL", "surrogate"])
def test_a_missed_event_that_cannot_be_stored_costs_nobody_else_theirs(database: Database, url: str) -> None:
    events = [
        MauticEvent(f"mautic:click:{number}:", "click", AT, {}, link_url=url if number == 3 else "https://example.com/")
        for number in range(10)
    ]
    counts = apply_events(database, events, CONTACTS)
    assert (counts["unmatched"], counts.total()) == (9, 9)
    assert apply_events(database, events, CONTACTS)["duplicates"] == 9
