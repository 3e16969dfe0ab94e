"""An opt-out from text messages is kept until its person and number are known, and refuses texts meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.consent.grant import grant_consent
from crm_relay.consent.models import ConsentChannel
from crm_relay.consent.person import Person
from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.engagement.erase import count_events, erase_events
from crm_relay.engagement.match_waiting import match_opt_outs
from crm_relay.platform.database import Database
from tests.support.customers.mautic_hooks import delivery, subscription
from tests.support.customers.mautic_webhook_function import configure, counts, deliver
from tests.support.platform.rows import add_customer, one, rows_of

NATIONAL, NUMBER = "0400 111 222", "+61400111222"
OTHER_ORG = UUID("00000000-0000-4000-8000-000000000002")
ASK = """select suppressed_by, known_from
         from recipient_suppression(coalesce(cast(:org as uuid), default_org_id()), 'sms', :number, null)"""


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """Configured for this test's database."""
    configure(monkeypatch, database_url)


def opt_out(mobile: str | None = NATIONAL, **more: Any) -> tuple[int, int, int, int]:
    """How the delivery was counted."""
    event = subscription(channel="sms", mobile=mobile, email="nobody@example.com", contact_id=5, **more)
    if mobile is None:
        event["contact"]["fields"]["core"].pop("phone", None)
    return counts(deliver(delivery(lead_channel_subscription_changed=[event])))


def link(database: Database, *numbers: str, org: UUID | None = None) -> UUID:
    """A customer whose contact of Mautic it is."""
    customer = add_customer(database, "ada@example.com", contact_id=5)
    if org is not None:
        rows_of(database, "insert into organizations (id, name) values (:id, 'Other')", id=org)
        rows_of(database, "update customer_profiles set org_id = :org where id = :id", org=org, id=customer)
    for number in numbers:
        add_number(database, customer, number)
    return customer


def add_number(database: Database, customer: UUID, number: str) -> None:
    rows_of(database, "insert into customer_phones (customer_id, phone_e164) values (:id, :n)", id=customer, n=number)


def ledger(database: Database) -> list[tuple[str, str]]:
    rows = rows_of(database, "select address, kind from consent_events where channel = 'sms' order by address")
    return [(row["address"], row["kind"]) for row in rows]


def waiting(database: Database) -> int:
    return int(one(database, "select count(*)::integer as count from waiting_opt_outs")["count"])


def asked(database: Database, number: str = NUMBER, org: UUID | None = None) -> tuple[str | None, str | None]:
    row = one(database, ASK, number=number, org=org)
    return row["suppressed_by"], row["known_from"]


def test_an_opt_out_of_nobodys_contact_waits_and_refuses_texts_to_the_numbers_that_it_may_mean(
    database: Database,
) -> None:
    assert opt_out() == (0, 0, 1, 0)
    assert opt_out() == (0, 1, 0, 0)

    assert (ledger(database), waiting(database)) == ([], 1)
    for number in (NUMBER, "+1400111222"):
        assert asked(database, number) == ("opt_out", "waiting")
    assert asked(database, "+61400111223") == (None, None)
    assert one(
        database, "select suppressed_by from recipient_suppression(default_org_id(), 'email', :a, null)", a=NUMBER
    )
    assert match_opt_outs(database, CONTACTS) == 0

    link(database, NUMBER)
    assert match_opt_outs(database, CONTACTS) == 1
    assert (ledger(database), waiting(database)) == ([(NUMBER, "opt_out")], 0)
    assert asked(database) == ("opt_out", "ledger")
    assert asked(database, "+1400111222") == (None, None)
    assert opt_out() == (0, 1, 0, 0)
    assert match_opt_outs(database, CONTACTS) == 0


def test_an_opt_out_of_a_customer_without_a_number_waits_for_one_and_refuses_texts_to_it_before(
    database: Database,
) -> None:
    customer = link(database)
    assert opt_out() == (0, 0, 1, 0)
    assert match_opt_outs(database, CONTACTS) == 0
    assert waiting(database) == 1

    add_number(database, customer, "+4917612345678")
    assert asked(database, "+4917612345678") == ("opt_out", "waiting")
    assert match_opt_outs(database, CONTACTS) == 1
    assert (ledger(database), waiting(database)) == ([("+4917612345678", "opt_out")], 0)


def test_an_opt_out_without_any_number_waits_for_its_contact(database: Database) -> None:
    assert opt_out(None) == (0, 0, 1, 0)
    link(database, NUMBER)
    assert match_opt_outs(database, CONTACTS) == 1
    assert ledger(database) == [(NUMBER, "opt_out")]


def test_an_opt_out_of_a_full_number_reaches_the_organization_of_its_customer_once_that_is_known(
    database: Database,
) -> None:
    assert opt_out("+61 400 111 222") == (1, 0, 0, 0)
    assert opt_out("+61 400 111 222") == (0, 1, 0, 0)
    link(database, NUMBER, org=OTHER_ORG)
    assert asked(database, org=OTHER_ORG) == ("opt_out", "waiting")
    assert match_opt_outs(database, CONTACTS) == 1
    assert asked(database, org=OTHER_ORG) == asked(database) == ("opt_out", "ledger")
    assert waiting(database) == 0


def test_a_later_consent_for_the_number_lifts_what_waits_for_that_number_alone(database: Database) -> None:
    opt_out()
    now = datetime(2026, 11, 21, tzinfo=UTC)
    grant_consent(database, NUMBER, evidence="letter", granted_by="x", now=now, channel=ConsentChannel.SMS)
    assert asked(database) == (None, None)
    assert asked(database, "+1400111222") == ("opt_out", "waiting")
    link(database, NUMBER)
    assert match_opt_outs(database, CONTACTS) == 1
    assert asked(database) == (None, None), "the consent came later"
    opt_out(at=(now + timedelta(days=1)).isoformat())
    assert asked(database) == ("opt_out", "ledger")


def test_what_waits_of_a_person_goes_with_the_person(database: Database) -> None:
    opt_out()
    person = Person(contact_ids=frozenset([5]))
    assert count_events(database, person) == 1
    assert erase_events(database, person) == 1
    assert (waiting(database), asked(database)) == (0, (None, None))


def test_opt_outs_of_customers_without_a_number_keep_no_other_waiting(database: Database) -> None:
    for contact in range(1, 8):
        event = subscription(channel="sms", mobile=NATIONAL, email="nobody@example.com", contact_id=contact)
        deliver(delivery(lead_channel_subscription_changed=[event]))
    for contact in range(1, 8):
        customer = add_customer(database, f"c{contact}@example.com", contact_id=contact)
        if contact == 7:
            add_number(database, customer, NUMBER)
    rows_of(database, "update waiting_opt_outs set looked_at = now() where source_person <> '7'")
    assert match_opt_outs(database, CONTACTS) == 1
    assert waiting(database) == 6


def test_an_opt_out_that_the_database_refuses_waits_alone(database: Database) -> None:
    for contact in (1, 2, 3):
        event = subscription(channel="sms", mobile=NATIONAL, email="nobody@example.com", contact_id=contact)
        deliver(delivery(lead_channel_subscription_changed=[event]))
        add_number(
            database, add_customer(database, f"c{contact}@example.com", contact_id=contact), f"+6140011100{contact}"
        )
    database.run_script("alter table consent_events add constraint refused check (address <> '+61400111002')")
    assert match_opt_outs(database, CONTACTS) == 2
    assert [row["source_person"] for row in rows_of(database, "select source_person from waiting_opt_outs")] == ["2"]
    database.run_script("alter table consent_events drop constraint refused")
    assert match_opt_outs(database, CONTACTS) == 1


def test_an_unsubscribe_without_an_address_is_in_the_ledger_for_every_address_of_its_customer(
    database: Database,
) -> None:
    event = subscription(contact_id=5, email="")
    assert counts(deliver(delivery(lead_channel_subscription_changed=[event]))) == (0, 0, 1, 0)
    link(database)
    rows_of(database, "update customer_emails set email = 'Ada@Example.com'")
    later = subscription(contact_id=5, email="", at="2026-11-21T12:22:55+00:00")
    assert counts(deliver(delivery(lead_channel_subscription_changed=[later]))) == (1, 0, 0, 0)
    rows = rows_of(database, "select address, source from consent_events where channel = 'email' and kind = 'opt_out'")
    assert [(row["address"], row["source"]) for row in rows] == [("ada@example.com", "mautic")]
