"""One wrong entry of the ledger is taken back by a second one; nothing else is."""

from datetime import UTC, datetime, timedelta

import pytest

from crm_relay.consent.grant import Corrected, correct_entry
from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from tests.support.platform.rows import rows_of

ADA = "ada@example.com"
WRONG = datetime(2026, 6, 1, tzinfo=UTC)


def recorded(database: Database, kind: ConsentKind, days: int, source: str = "mautic") -> int:
    """The number of an entry, so many days behind the wrong one."""
    evidence = "form" if kind is ConsentKind.CONSENT else None
    record_events(database, [ConsentEvent(kind, ADA, source, WRONG + timedelta(days=days), evidence=evidence)])
    return int(rows_of(database, "select max(id) as id from consent_events")[0]["id"])


def corrected(database: Database, entry: int, instead: ConsentKind | None = None) -> Corrected:
    """By an operator."""
    return correct_entry(database, entry, evidence="Mautic's log", corrected_by="operator", instead=instead)


def suppressed_in_sql(database: Database) -> str | None:
    """As the sync and the mail ask."""
    query = "select suppressed_by from suppression(default_org_id(), 'email', 'ada@example.com')"
    found: str | None = rows_of(database, query)[0]["suppressed_by"]
    return found


def test_a_wrong_opt_out_is_lifted_with_the_stamp_of_the_customer(database: Database) -> None:
    rows_of(database, "insert into customer_profiles (id) values ('00000000-0000-4000-8000-000000000001')")
    rows_of(
        database,
        "insert into customer_emails (customer_id, email) values ('00000000-0000-4000-8000-000000000001', :email)",
        email=ADA,
    )
    entry = recorded(database, ConsentKind.OPT_OUT, 0)

    assert corrected(database, entry) == Corrected(entry, 0, None)

    assert suppressed_in_sql(database) is None
    assert rows_of(database, "select opted_out_at from customer_profiles")[0]["opted_out_at"] is None
    assert len(rows_of(database, "select from consent_events where kind = 'opt_out'")) == 1, "the ledger is append-only"


def test_what_was_a_bounce_becomes_one(database: Database) -> None:
    entry = recorded(database, ConsentKind.OPT_OUT, 0)

    assert corrected(database, entry, ConsentKind.HARD_BOUNCE).suppressed_by == "hard_bounce"
    assert suppressed_in_sql(database) == "hard_bounce"


@pytest.mark.parametrize("days", [-9, 0, 9])
def test_another_opt_out_stands_whenever_it_was(database: Database, days: int) -> None:
    recorded(database, ConsentKind.OPT_OUT, days, "crm")
    entry = recorded(database, ConsentKind.OPT_OUT, 0)

    assert corrected(database, entry).suppressed_by == "opt_out"
    assert suppressed_in_sql(database) == "opt_out"


def test_what_a_consent_had_lifted_before_stays_lifted(database: Database) -> None:
    recorded(database, ConsentKind.OPT_OUT, -9, "crm")
    recorded(database, ConsentKind.CONSENT, -5)
    entry = recorded(database, ConsentKind.OPT_OUT, 0)

    assert corrected(database, entry) == Corrected(entry, 0, None)
    assert suppressed_in_sql(database) is None


@pytest.mark.parametrize("days", [-1, 1])
def test_a_complaint_beside_it_still_mutes(database: Database, days: int) -> None:
    recorded(database, ConsentKind.COMPLAINT, days, "resend")
    entry = recorded(database, ConsentKind.OPT_OUT, 0)

    assert corrected(database, entry).suppressed_by == "complaint"


def test_what_cannot_be_corrected_is_refused(database: Database) -> None:
    consent = recorded(database, ConsentKind.CONSENT, 0)
    complaint = recorded(database, ConsentKind.COMPLAINT, 1, "resend")
    entry = recorded(database, ConsentKind.OPT_OUT, 2)
    for wrong in (consent, complaint, 999):
        with pytest.raises(RejectedInput, match="entry"):
            corrected(database, wrong)
    with pytest.raises(RejectedInput, match="evidence"):
        correct_entry(database, entry, evidence=" ", corrected_by="operator")
    corrected(database, entry)
    with pytest.raises(RejectedInput, match="before"):
        corrected(database, entry)
