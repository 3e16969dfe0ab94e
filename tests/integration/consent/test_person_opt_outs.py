"""An opt-out belongs to the person: it follows to the next address, whatever the CRM calls that person."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.consent.grant import grant_consent
from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.platform.database import Database
from tests.support.platform.rows import add_customer, one, rows_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
OTHER_ORG = UUID("00000000-0000-4000-8000-000000000002")
ASK = """select suppressed_by, known_from
         from recipient_suppression(coalesce(cast(:org as uuid), default_org_id()), :channel, :address, :contact)"""


def contact(database: Database, email: str | None = None, *, phone: str | None = None, org: UUID | None = None) -> UUID:
    row = one(
        database,
        """insert into contacts (org_id, email, phone)
           values (coalesce(cast(:org as uuid), default_org_id()), :email, :phone) returning id""",
        org=org,
        email=email,
        phone=phone,
    )
    return UUID(str(row["id"]))


def asked(
    database: Database, address: str, person: UUID | None = None, *, channel: str = "email", org: UUID | None = None
) -> tuple[str | None, str | None]:
    row = one(database, ASK, org=org, channel=channel, address=address, contact=person)
    return row["suppressed_by"], row["known_from"]


def event(kind: str, address: str, at: datetime = NOW, **more: Any) -> ConsentEvent:
    return ConsentEvent(ConsentKind(kind), address, "resend", at, evidence="x" if kind == "consent" else None, **more)


def move(database: Database, person: UUID, **columns: str) -> None:
    for column, value in columns.items():
        rows_of(database, f"update contacts set {column} = :value where id = :id", value=value, id=person)


@pytest.mark.parametrize("kind", ["opt_out", "complaint"])
def test_a_contact_who_opted_out_and_got_a_new_address_is_not_written_to_there(database: Database, kind: str) -> None:
    ada, bo = contact(database, "Ada@example.com"), contact(database, "bo@example.com")
    record_events(database, [event(kind, "ada@example.com")])

    move(database, ada, email="ada@new.example")

    assert asked(database, "ada@new.example", ada) == ("opt_out", "contact")
    assert asked(database, "bo@example.com", bo) == (None, None)
    assert asked(database, "ada@new.example") == (None, None), "the address itself has opted out of nothing"


def test_a_hard_bounce_stays_with_its_address(database: Database) -> None:
    ada = contact(database, "ada@example.com")
    record_events(database, [event("hard_bounce", "ada@example.com")])

    move(database, ada, email="ada@new.example")

    assert asked(database, "ada@new.example", ada) == (None, None)


def test_somebody_who_came_into_the_crm_after_the_opt_out_carries_it_on(database: Database) -> None:
    record_events(database, [event("opt_out", "ada@example.com")])
    ada = contact(database, "ada@example.com")

    move(database, ada, email="ada@new.example")

    assert asked(database, "ada@new.example", ada) == ("opt_out", "contact")


def test_an_opt_out_by_an_old_mail_reaches_the_person_at_the_new_address(database: Database) -> None:
    ada = contact(database, "ada@example.com")
    rows_of(database, "insert into email_sends (address, contact_id) values ('ada@example.com', :contact)", contact=ada)
    rows_of(
        database,
        """insert into sms_sends (org_id, send_key, contact_id, to_number, not_before, queued_at)
           values (default_org_id(), 'k', :contact, '+4917611111111', now(), now())""",
        contact=ada,
    )
    move(database, ada, email="ada@new.example")

    record_events(database, [event("opt_out", "ada@example.com")])

    assert asked(database, "ada@new.example", ada) == ("opt_out", "contact")
    assert asked(database, "+4917622222222", ada, channel="sms") == (None, None)
    record_events(database, [event("opt_out", "+4917611111111", channel=ConsentChannel.SMS)])
    assert asked(database, "+4917622222222", ada, channel="sms") == ("opt_out", "contact")


def test_an_opt_out_of_one_organization_is_not_another_ones_but_a_complaint_is(database: Database) -> None:
    rows_of(database, "insert into organizations (id, name) values (:id, 'Other')", id=OTHER_ORG)
    theirs = contact(database, "ada@example.com", org=OTHER_ORG)
    record_events(database, [event("opt_out", "ada@example.com")])
    move(database, theirs, email="ada@new.example")
    assert asked(database, "ada@new.example", theirs, org=OTHER_ORG) == (None, None)

    move(database, theirs, email="ada@example.com")
    record_events(database, [event("complaint", "ada@example.com")])
    move(database, theirs, email="ada@new.example")
    assert asked(database, "ada@new.example", theirs, org=OTHER_ORG) == ("opt_out", "contact")


def test_an_opt_out_of_texts_follows_to_the_new_number_and_says_nothing_of_mail(database: Database) -> None:
    ada = contact(database, "ada@example.com", phone="+49 (0)176 11111111")
    record_events(database, [event("opt_out", "+4917611111111", channel=ConsentChannel.SMS)])
    assert asked(database, "+49 (0)176 11111111", ada, channel="sms") == ("opt_out", "ledger")

    move(database, ada, phone="+4917622222222")

    assert asked(database, "+4917622222222", ada, channel="sms") == ("opt_out", "contact")
    assert asked(database, "ada@example.com", ada) == (None, None)


def test_a_consent_for_the_new_address_lifts_the_persons_opt_out_unless_of_that_moment(
    database: Database,
) -> None:
    ada = contact(database, "ada@example.com")
    record_events(database, [event("opt_out", "ada@example.com")])
    move(database, ada, email="ada@new.example")

    grant_consent(database, "ada@new.example", evidence="form", granted_by="admin", now=NOW)
    assert asked(database, "ada@new.example", ada) == ("opt_out", "contact")

    grant_consent(database, "ada@new.example", evidence="form", granted_by="admin", now=LATER)
    assert asked(database, "ada@new.example", ada) == (None, None)
    assert rows_of(database, "select from contact_opt_outs") == []


def test_an_opt_out_that_arrives_after_the_consent_that_followed_it_marks_nobody(database: Database) -> None:
    ada = contact(database, "ada@example.com")
    record_events(database, [event("consent", "ada@example.com", LATER)])

    record_events(database, [event("opt_out", "ada@example.com")])

    assert asked(database, "ada@example.com", ada) == (None, None)
    assert rows_of(database, "select from contact_opt_outs") == []


def test_a_customer_inserted_with_do_not_contact_is_known_to_the_question_and_to_the_ledger(database: Database) -> None:
    customer = one(database, "insert into customer_profiles (do_not_contact) values (true) returning id")["id"]
    rows_of(database, "insert into customer_emails (customer_id, email) values (:id, 'Ada@example.com.')", id=customer)

    assert asked(database, "ada@example.com")[0] == "opt_out"
    # The column that flips back does not lift it.
    rows_of(database, "update customer_profiles set do_not_contact = false")
    assert asked(database, "ada@example.com") == ("opt_out", "ledger")


def test_a_customer_marked_behind_the_triggers_is_asked_for_as_well(database: Database) -> None:
    database.run_script(
        "alter table customer_profiles disable trigger user; alter table customer_emails disable trigger user"
    )
    customer = add_customer(database, "ada@example.com")
    rows_of(database, "update customer_profiles set do_not_contact = true where id = :id", id=customer)
    rows_of(
        database, "insert into customer_phones (customer_id, phone_e164) values (:id, '+4917611111111')", id=customer
    )

    assert asked(database, "ada@example.com") == ("opt_out", "customer")
    assert asked(database, "+49 176 11111111", channel="sms") == ("opt_out", "customer")
    assert asked(database, "ada@example.com", org=uuid4()) == (None, None)


@pytest.mark.parametrize("change", ["second", "changed"])
def test_a_second_or_changed_address_of_a_customer_who_opted_out_is_muted(database: Database, change: str) -> None:
    customer = add_customer(database, "ada@example.com")
    record_events(database, [event("opt_out", "ada@example.com")])

    if change == "second":
        rows_of(
            database, "insert into customer_emails (customer_id, email) values (:id, 'ada@new.example')", id=customer
        )
    else:
        rows_of(database, "update customer_emails set email = 'ada@new.example' where customer_id = :id", id=customer)

    assert asked(database, "ada@new.example") == ("opt_out", "ledger")
    lines = rows_of(
        database, "select address, source, occurred_at from consent_events where address = 'ada@new.example'"
    )
    assert lines == [{"address": "ada@new.example", "source": "crm", "occurred_at": NOW}]
    rows_of(database, "update customer_emails set is_primary = true")
    assert len(rows_of(database, "select from consent_events where address = 'ada@new.example'")) == 1


def test_an_invalid_address_of_a_customer_counts_as_bounced_in_its_organization(database: Database) -> None:
    customer = add_customer(database, "ada@example.com")
    rows_of(database, "update customer_emails set is_valid = false where customer_id = :id", id=customer)

    assert asked(database, "ada@example.com") == ("hard_bounce", "customer")
    assert asked(database, "ada@example.com", org=uuid4()) == (None, None)


def test_the_question_runs_by_indexes(database: Database) -> None:
    for statement in (
        "insert into customer_profiles select from generate_series(1, 3000)",
        "insert into customer_emails (customer_id, email) select id, id || '@Example.com' from customer_profiles",
        "insert into contacts (email) select id || '@example.com' from customer_profiles",
        """insert into consent_events (channel, address, kind, source, occurred_at)
           select 'email', id || '@left.example', 'opt_out', 'x', now() from customer_profiles""",
        "analyze",
    ):
        database.run_script(statement)

    plan = rows_of(
        database,
        """explain select state.suppressed_by
           from (select id, email from contacts limit 100) person
           left join lateral recipient_suppression(default_org_id(), 'email', person.email, person.id) state on true""",
    )

    text = "\n".join(str(row["QUERY PLAN"]) for row in plan)
    assert re.search("idx_customer_emails_(normalised|address_begins)", text)
    assert [table for table in ("customer_emails", "consent_events") if f"Seq Scan on {table}" in text] == []
