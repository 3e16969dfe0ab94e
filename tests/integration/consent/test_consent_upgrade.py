"""An installation older than a rule: its lines are kept, its people are found, and both versions work at once."""

from collections.abc import Iterator

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.migrations import migrate, read_migrations
from tests.conftest import ROOT
from tests.support.platform.rows import one, rows_of

ALL = read_migrations(ROOT / "migrations")
NEW = "202611300003"
BEFORE = [each for each in ALL if each.version < NEW]
UNSEEN = "20261130134000"
SUPPRESSION = "select suppressed_by from suppression(default_org_id(), 'email', :address)"


@pytest.fixture
def older(empty_database_url: str) -> Iterator[Database]:
    """A database of the version before."""
    database = Database(empty_database_url)
    migrate(database, BEFORE)
    yield database
    database.close()


def upgrade(database: Database) -> None:
    assert migrate(database, ALL)


def test_lines_under_an_older_form_of_their_address_are_found_and_none_is_deleted(older: Database) -> None:
    older.run_script(
        """insert into consent_events (channel, address, kind, source, source_event, occurred_at) values
               ('email', 'ada@example.com.', 'opt_out', 'resend', 'e1', '2026-03-01T12:00Z'),
               ('email', 'ada@example.com', 'opt_out', 'resend', 'e1', '2026-03-01T12:00Z'),
               ('email', 'bo@example.com..', 'opt_out', 'resend', 'e2', '2026-03-01T12:00Z'),
               ('email', 'bo@example.com.', 'opt_out', 'resend', 'e2', '2026-03-01T12:00Z'),
               ('email', 'cy <cy@example.com>', 'opt_out', 'import', null, '2026-03-01T12:00Z'),
               ('sms', '+4917611111111', 'opt_out', 'twilio', 'e3', '2026-03-01T12:00Z');
           insert into topic_opt_outs (org_id, address, topic, source, occurred_at) values
               (default_org_id(), 'ada@example.com.', 'news', 'x', now()),
               (default_org_id(), 'ada@example.com', 'news', 'x', now()),
               (default_org_id(), 'bo@example.com.', 'news', 'x', now())"""
    )

    upgrade(older)

    assert len(rows_of(older, "select from consent_events")) == 6
    for person in ("ada", "bo", "cy"):
        assert one(older, SUPPRESSION, address=f"{person}@example.com")["suppressed_by"] == "opt_out"
    topics = rows_of(older, "select address from topic_opt_outs where address = 'bo@example.com'")
    assert len(topics) == 1
    assert len(rows_of(older, "select from topic_opt_outs where address = 'ada@example.com'")) == 1


def test_an_index_over_addresses_finds_rows_whose_form_has_changed(older: Database) -> None:
    older.run_script(
        "insert into contacts (email) values ('Ada <ada@example.com>'), ('bo@example.com.'), ('cy@example.com')"
    )

    upgrade(older)

    older.run_script("set enable_seqscan = off")
    for person in ("ada", "bo", "cy"):
        found = rows_of(
            older, "select from contacts where normalise_address(email) = :address", address=f"{person}@example.com"
        )
        assert len(found) == 1, person


def test_unseen_characters_in_what_is_stored_make_no_second_person(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    migrate(database, [each for each in ALL if each.version < UNSEEN])
    rows_of(
        database,
        """insert into contacts (email) values
               (U&'a\\034Fda@example.com'), (U&'b\\200Co@exa\\FE0Fmple.com'), ('cy@example.com'),
               (U&'\\0645\\200C\\0645@example.com')""",
    )
    rows_of(
        database,
        """insert into consent_events (channel, address, kind, source, source_event, occurred_at) values
               ('email', U&'a\\034Fda@example.com', 'opt_out', 'resend', 'e1', '2026-03-01T12:00Z'),
               ('email', 'ada@example.com', 'opt_out', 'resend', 'e1', '2026-03-01T12:00Z'),
               ('email', U&'b\\200Co@example.com', 'opt_out', 'import', null, '2026-03-01T12:00Z')""",
    )
    rows_of(
        database,
        """insert into email_identities (org_id, from_address) values
               (default_org_id(), U&'us\\034F@example.com'), (default_org_id(), 'us@example.com')""",
    )

    upgrade(database)

    database.run_script("set enable_seqscan = off")
    for person, found in (("ada", 1), ("bo", 1), ("cy", 1), ("\u0645\u200c\u0645", 1), ("\u0645\u0645", 0)):
        address = f"{person}@example.com"
        rows = rows_of(database, "select from contacts where normalise_address(email) = :address", address=address)
        assert len(rows) == found, person
    for person in ("ada", "bo", "a\u034fda", "bo\ufe0f"):
        assert one(database, SUPPRESSION, address=f"{person}@example.com")["suppressed_by"] == "opt_out"
    assert one(database, "select count(*) as n from consent_events")["n"] == 3
    assert one(database, "select count(*) as n from email_identities")["n"] == 2
    database.close()


def test_who_opted_out_before_opt_outs_followed_the_person_is_remembered(older: Database) -> None:
    older.run_script(
        """insert into contacts (email, phone) values ('ada@example.com', '+49 176 1'), ('bo@example.com', null);
           insert into email_sends (address, contact_id) select email, id from contacts;
           insert into consent_events (channel, address, kind, source, evidence, occurred_at) values
               ('email', 'ada@example.com', 'opt_out', 'resend', null, '2026-03-01T12:00Z'),
               ('email', 'bo@example.com', 'opt_out', 'resend', null, '2026-03-01T12:00Z'),
               ('email', 'bo@example.com', 'consent', 'admin', 'form', '2026-03-02T12:00Z');
           update contacts set email = 'new.' || email"""
    )

    upgrade(older)

    rows = rows_of(
        older,
        """select person.email, state.suppressed_by
           from contacts person
           cross join lateral recipient_suppression(person.org_id, 'email', person.email, person.id) state
           order by 1""",
    )
    assert [(row["email"], row["suppressed_by"]) for row in rows] == [
        ("new.ada@example.com", "opt_out"),
        ("new.bo@example.com", None),
    ]


def test_customers_of_before_the_installation_who_may_not_be_contacted_are_in_the_ledger(older: Database) -> None:
    older.run_script(
        """alter table customer_profiles disable trigger user;
           with people as (
               insert into customer_profiles (first_name, do_not_contact, opted_out_at) values
                   ('no', true, null), ('out', false, '2026-03-01T12:00Z'), ('yes', false, null)
               returning id, first_name
           )
           insert into customer_emails (customer_id, email)
           select id, first_name || rest from people, (values ('@example.com'), ('2@example.com')) as address (rest);
           alter table customer_profiles enable trigger user"""
    )

    upgrade(older)

    muted = rows_of(older, "select address from consent_events where kind = 'opt_out'")
    assert sorted(row["address"].split("@")[0] for row in muted) == ["no", "no2", "out", "out2"]
    assert one(older, "select count(*) as n from customer_profiles where opted_out_at is not null")["n"] == 2


def test_old_lines_of_other_calendars_do_not_stop_the_upgrade_and_bind_new_ones_only(older: Database) -> None:
    older.run_script(
        """insert into consent_events (channel, address, kind, source, occurred_at)
           values ('email', 'a@x.example', 'opt_out', 'import', '9999-12-31T23:59:59-12:00')"""
    )
    upgrade(older)
    valid = "select convalidated as it from pg_constraint where conname = 'consent_events_readable_time'"
    assert one(older, valid)["it"] is False
    assert one(older, SUPPRESSION, address="a@x.example")["suppressed_by"] == "opt_out"


def test_on_an_orderly_ledger_the_bound_on_times_holds_for_every_line(database: Database) -> None:
    valid = "select convalidated as it from pg_constraint where conname = 'consent_events_readable_time'"
    assert one(database, valid)["it"] is True


def test_the_version_before_goes_on_writing_while_the_schema_is_new(database: Database) -> None:
    """Its Python files an address under its older form, and grants by a statement of its own."""
    rows_of(
        database,
        """select record_consent_events('[{"channel": "email", "address": "ada@example.com.", "kind": "opt_out",
               "source": "resend", "source_event": "e1", "occurred_at": "2026-03-01T12:00:00Z"}]')""",
    )
    assert one(database, SUPPRESSION, address="ada@example.com")["suppressed_by"] == "opt_out"
    rows_of(
        database,
        """insert into consent_events (org_id, channel, address, kind, source, evidence, occurred_at)
           values (default_org_id(), 'email', 'ada@example.com', 'consent', 'admin', 'form', '2026-03-02T12:00:00Z')""",
    )
    assert one(database, SUPPRESSION, address="ada@example.com.")["suppressed_by"] is None
