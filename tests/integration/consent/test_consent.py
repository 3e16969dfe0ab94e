"""The suppression ledger on a real database."""

import csv
import io
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_relay.consent.address import normalise
from crm_relay.consent.grant import Granted, grant_consent
from crm_relay.consent.import_export import COLUMNS, BadLine, Imported, export_ledger, import_ledger
from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.record import RecordedEvents, record_events
from crm_relay.consent.why import history
from crm_relay.platform.database import Database, Row
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Query, SqlValue
from crm_relay.rules.addresses import mailbox
from tests.support.platform.counting_queries import CountingQueries

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPT_OUT = ConsentEvent(ConsentKind.OPT_OUT, "Ada@Example.com", "mautic", NOW, source_event="m-1")
OTHER_ORG = UUID("00000000-0000-4000-8000-000000000002")


UNSEEN = "".join(
    chr(code)
    for code in range(0x80, 0xE1000)
    if re.fullmatch(f"[{mailbox.UNSEEN}\u200c\u200d]", chr(code)) and unicodedata.category(chr(code)) != "Cn"
)


def unexpected(line: BadLine) -> None:
    raise AssertionError(f"line {line.line}: {line.reason}")


def sql(database: Database, text: str, **values: SqlValue) -> list[Row]:
    return database.run(Query.parse("test", "asks the database in a test", text), **values)


def add_customer(database: Database, email: str, org_id: UUID | None = None) -> UUID:
    row = sql(
        database,
        """with person as (
               insert into customer_profiles (org_id) values (coalesce(cast(:org as uuid), default_org_id()))
               returning id
           )
           insert into customer_emails (customer_id, email, is_primary) select id, :email, true from person
           returning customer_id""",
        org=org_id,
        email=email,
    )[0]
    return UUID(str(row["customer_id"]))


def opted_out_at(database: Database, customer: UUID) -> datetime | None:
    found: datetime | None = sql(database, "select opted_out_at from customer_profiles where id = :id", id=customer)[0][
        "opted_out_at"
    ]
    return found


def suppressed_by(database: Database, address: str) -> str | None:
    rows = sql(database, "select suppressed_by from suppression(default_org_id(), 'email', :address)", address=address)
    found: str | None = rows[0]["suppressed_by"]
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    addresses=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\0"), max_size=25)
        | st.text(st.sampled_from(UNSEEN + "ae\u0301\u0627\u0645\u0915\u094d\u1680\ufed1@.<> ,;'"), max_size=20)
        | st.from_regex(r"[a-zA-Z]{1,5}@[a-zäöüßèžиαאあ日A-ZÄÖÜİΣ0-9-]{1,20}[.。．][a-zé]{2,5}", fullmatch=True),
        min_size=1,
        max_size=50,
    )
)
def test_python_and_sql_agree_on_every_address(database: Database, addresses: list[str]) -> None:
    rows = sql(
        database,
        """select normalise_address(address) as form
           from unnest(cast(:addresses as text[])) with ordinality as given (address, place) order by place""",
        addresses=addresses,
    )
    assert [row["form"] for row in rows] == [normalise(address) for address in addresses]


def test_python_and_sql_agree_on_letters_of_every_script(database: Database) -> None:
    letters = [chr(code) for code in range(128, 0x110000, 23) if unicodedata.category(chr(code)) not in {"Cs", "Cn"}]
    addresses = [f"X{letter}@{'a' * (n % 9)}{letter}b{letters[-n]}.{letter}" for n, letter in enumerate(letters)]

    rows = sql(
        database,
        """select address, normalise_address(address) as form
           from unnest(cast(:addresses as text[])) as address""",
        addresses=addresses,
    )

    assert [row for row in rows if row["form"] != normalise(row["address"])] == []


def test_python_and_sql_agree_on_every_character_that_is_not_seen(database: Database) -> None:
    """Also on their neighbours, where each of the ranges ends."""
    places = {code + step for code in map(ord, UNSEEN) for step in (-1, 0, 1)}
    letters = [chr(code) for code in sorted(places) if unicodedata.category(chr(code)) not in {"Cs", "Cn"}]
    between = [
        ("e", "\u0301"),
        ("a", "b"),
        ("\u0627", "\u0645"),
        ("\u0915\u094d", "\u0937"),
        ("", "@"),
        ("\u0645", "a"),
    ]
    addresses = [f"{one}{letter}{two}x@{one}{letter}{two}x.com" for letter in letters for one, two in between]

    rows = sql(
        database,
        "select address, normalise_address(address) as form from unnest(cast(:addresses as text[])) as address",
        addresses=addresses,
    )

    assert [row for row in rows if row["form"] != normalise(row["address"])] == []
    plain = {each: normalise(f"a{each}da@exa{each}mple.com") for each in UNSEEN}
    assert [each for each, form in plain.items() if form != "ada@example.com"] == []


def test_an_opt_out_under_the_ascii_form_mutes_a_customer_stored_under_the_unicode_form(database: Database) -> None:
    customer = add_customer(database, "ada@münchen.example.com")
    record_events(database, [ConsentEvent(ConsentKind.OPT_OUT, "ADA@xn--mnchen-3ya.example.com", "mautic", NOW)])

    (row,) = sql(database, "select dnc_reason from mautic_sync_source where customer_id = :id", id=customer)

    assert row["dnc_reason"] == 1
    assert opted_out_at(database, customer) == NOW


def test_a_lookup_by_normalised_address_uses_the_index(database: Database) -> None:
    sql(database, "insert into customer_profiles select from generate_series(1, 3000)")
    sql(
        database,
        "insert into customer_emails (customer_id, email) select id, id || '@Example.com' from customer_profiles",
    )
    database.run_script("analyze customer_emails")

    plan = sql(database, "explain select from customer_emails where normalise_address(email) = 'x@example.com'")

    assert re.search("idx_customer_emails_(normalised|address_begins)", str(plan))


def test_the_index_can_be_rebuilt_where_postgresql_empties_the_search_path(database: Database) -> None:
    add_customer(database, "ada@MÜNCHEN.example.com")

    database.run_script("reindex index idx_customer_emails_normalised; analyze customer_emails")

    found = sql(
        database,
        """select email from customer_emails
           where normalise_address(email) = normalise_address('ADA@münchen.example.com')""",
    )
    assert len(found) == 1


def test_an_event_counts_once_however_often_it_comes(database: Database) -> None:
    without_id = ConsentEvent(ConsentKind.HARD_BOUNCE, "bo@example.com", "resend", NOW)
    batch = [OPT_OUT, OPT_OUT, without_id, without_id]

    assert record_events(database, batch) == RecordedEvents(new=2, known=2, unusable=0)
    assert record_events(database, batch) == RecordedEvents(new=0, known=4, unusable=0)


def test_an_address_that_is_none_does_not_hold_up_its_batch(database: Database) -> None:
    number_by_mail = ConsentEvent(ConsentKind.OPT_OUT, "+4930901820", "mautic", NOW)
    mail_by_sms = ConsentEvent(ConsentKind.OPT_OUT, "ada@example.com", "twilio", NOW, channel=ConsentChannel.SMS)

    recorded = record_events(database, [number_by_mail, OPT_OUT, mail_by_sms])

    assert recorded == RecordedEvents(new=1, known=0, unusable=2)


def test_a_consent_without_evidence_is_refused(database: Database) -> None:
    with pytest.raises(RejectedInput):
        record_events(database, [ConsentEvent(ConsentKind.CONSENT, "ada@example.com", "crm", NOW)])


def test_an_opt_out_marks_its_organizations_customers_and_a_complaint_all(database: Database) -> None:
    sql(database, "insert into organizations (id, name) values (:id, 'Other')", id=OTHER_ORG)
    ours, theirs = add_customer(database, "ada@example.com"), add_customer(database, "ada@example.com", OTHER_ORG)

    record_events(database, [OPT_OUT])
    assert (opted_out_at(database, ours), opted_out_at(database, theirs)) == (NOW, None)

    record_events(database, [ConsentEvent(ConsentKind.COMPLAINT, "ada@example.com", "resend", NOW)])
    assert opted_out_at(database, theirs) == NOW


def test_a_consent_with_evidence_lifts_the_opt_out_of_address_and_person(database: Database) -> None:
    customer = add_customer(database, "ada@example.com")
    record_events(database, [OPT_OUT])
    assert suppressed_by(database, "ada@example.com") == "opt_out"

    granted = grant_consent(database, "ADA@example.com", evidence="form 7", granted_by="admin", now=NOW + timedelta(1))

    assert granted == Granted(customers=1, do_not_contact=0, invalid_address=0)
    assert suppressed_by(database, "ada@example.com") is None
    assert opted_out_at(database, customer) is None


def test_an_opt_out_that_arrives_after_the_consent_that_followed_it_changes_nothing(database: Database) -> None:
    customer = add_customer(database, "ada@example.com")
    grant_consent(database, "ada@example.com", evidence="form 7", granted_by="admin", now=NOW + timedelta(1))

    record_events(database, [OPT_OUT])

    assert suppressed_by(database, "ada@example.com") is None
    assert opted_out_at(database, customer) is None


def test_an_opt_out_and_the_consent_that_followed_it_may_come_in_one_batch(database: Database) -> None:
    customer = add_customer(database, "ada@example.com")
    consent = ConsentEvent(ConsentKind.CONSENT, "ada@example.com", "crm", NOW + timedelta(1), evidence="form 7")

    record_events(database, [OPT_OUT, consent])

    assert suppressed_by(database, "ada@example.com") is None
    assert opted_out_at(database, customer) is None


def test_granting_says_who_stays_muted_for_another_reason(database: Database) -> None:
    customer = add_customer(database, "ada@example.com")
    sql(database, "update customer_profiles set do_not_contact = true where id = :id", id=customer)
    sql(database, "update customer_emails set is_valid = false where customer_id = :id", id=customer)

    granted = grant_consent(database, "ada@example.com", evidence="form 7", granted_by="admin", now=NOW)

    assert granted == Granted(customers=1, do_not_contact=1, invalid_address=1)


@pytest.mark.parametrize(("address", "evidence"), [("ada@example.com", "  "), ("nobody", "form 7")])
def test_a_grant_without_evidence_or_address_is_refused(database: Database, address: str, evidence: str) -> None:
    with pytest.raises(RejectedInput):
        grant_consent(database, address, evidence=evidence, granted_by="admin", now=NOW)
    assert history(database, "ada@example.com") == []


def test_the_ledger_cannot_be_edited(database: Database) -> None:
    record_events(database, [OPT_OUT])
    for change in ("update consent_events set kind = 'consent', evidence = 'x'", "delete from consent_events"):
        with pytest.raises(RejectedInput):
            sql(database, change)


def test_the_history_of_an_address_is_told_oldest_first(database: Database) -> None:
    later = ConsentEvent(ConsentKind.COMPLAINT, "ada@example.com", "resend", NOW + timedelta(hours=1))
    record_events(database, [later, OPT_OUT, ConsentEvent(ConsentKind.OPT_OUT, "bo@example.com", "mautic", NOW)])

    kinds = [(entry.kind, entry.source_event) for entry in history(database, "ada@EXAMPLE.com")]

    assert kinds == [(ConsentKind.OPT_OUT, "m-1"), (ConsentKind.COMPLAINT, None)]


def test_an_exported_ledger_can_be_imported_elsewhere_and_again(database: Database) -> None:
    record_events(
        database,
        [
            OPT_OUT,
            ConsentEvent(ConsentKind.OPT_OUT, "+49 30 901820", "twilio", NOW, channel=ConsentChannel.SMS),
            ConsentEvent(ConsentKind.CONSENT, "bo@example.com", "crm", NOW, evidence='said "yes",\nthen signed'),
            ConsentEvent(ConsentKind.ERASED, "sha256:abc", "crm", NOW),
        ],
    )
    file = io.StringIO()

    assert export_ledger(database, file) == 4
    lines = file.getvalue().splitlines(keepends=True)
    assert tuple(next(csv.reader(lines))) == COLUMNS
    assert import_ledger(database, lines, unexpected) == Imported(new=0, known=4)


def test_bad_lines_are_told_by_number_and_reason_and_never_by_value(database: Database) -> None:
    lines = [
        "\ufeffAddress,kind,occurred_at,channel\n",
        "ada@example.com,opt_out,2026-01-01T00:00:00Z,\n",
        "not-an-address,opt_out,2026-01-01T00:00:00Z,\n",
        "bo@example.com,annoyed,2026-01-01T00:00:00Z,\n",
        "\n",
        "bo@example.com,opt_out,yesterday,\n",
        "bo@example.com,opt_out,2026-01-01T00:00:00,\n",
        "bo@example.com,consent,2026-01-01T00:00:00Z,email\n",
        'bo@example.com,"opt_out"x,2026-01-01T00:00:00Z,email\n',
        "bo@example.com,opt_out,,fax\n",
        "+4930901820,opt_out,2026-01-01T00:00:00Z,sms\n",
    ]
    bad: list[BadLine] = []

    assert import_ledger(database, lines, bad.append) == Imported(new=2, known=0)

    assert [(each.line, each.reason) for each in bad] == [
        (3, "address: not an address of the channel email"),
        (4, "kind: cannot be read"),
        (6, "occurred_at: cannot be read"),
        (7, "occurred_at: has no time zone"),
        (8, "evidence: a consent needs one"),
        (9, "not valid CSV"),
        (10, "occurred_at: is missing"),
    ]


def test_a_file_without_the_needed_columns_is_refused_without_quoting_it(database: Database) -> None:
    with pytest.raises(RejectedInput) as refused:
        import_ledger(database, ["ada@example.com\n", "bo@example.com\n"], unexpected)
    assert "example.com" not in str(refused.value)


def test_a_long_file_costs_one_statement_a_thousand_lines(database: Database) -> None:
    lines = ["address,kind,occurred_at\n", *(f"n{i}@example.com,opt_out,2026-01-01T00:00:00Z\n" for i in range(2500))]
    counted = CountingQueries(database)

    assert import_ledger(counted, lines, unexpected) == Imported(new=2500, known=0)

    assert counted.statements == 3
