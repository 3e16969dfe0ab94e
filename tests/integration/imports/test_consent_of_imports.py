"""What a file says about consent: through the one ledger, never against an opt-out or an erasure."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from crm_relay.consent.erase import block_return
from crm_relay.consent.person import Person
from crm_relay.imports.models import PersonKind
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from tests.support.platform.rows import add_customer, one, rows_of

HEADER = "Email,Company,Consent,Consent at,Consent source,Evidence\n"
WHEN = "2026-05-01T10:00:00+02:00"
EACH_KIND = pytest.mark.parametrize("kind", list(PersonKind))


def imported(database_url: str, tmp_path: Path, kind: PersonKind, *lines: str) -> dict[str, Any]:
    file = tmp_path / "people.csv"
    file.write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    done = CliRunner().invoke(app, ["import", kind, str(file), "--json"], env={"DATABASE_URL": database_url})
    assert done.exit_code in (0, 1), done.output
    found: dict[str, Any] = json.loads(done.output)
    return found


def ledger(database: Database) -> list[tuple[str, str, str, str | None]]:
    rows = rows_of(database, "select address, kind, source, evidence from consent_events order by address, id")
    return [(row["address"], row["kind"], row["source"], row["evidence"]) for row in rows]


@EACH_KIND
def test_a_consent_with_evidence_and_an_opt_out_are_recorded_once(
    database: Database, database_url: str, tmp_path: Path, kind: PersonKind
) -> None:
    lines = (f"ada@x.example,A,yes,{WHEN},fair,form 12", f"ben@x.example,B,unsubscribed,{WHEN},,")

    found = imported(database_url, tmp_path, kind, *lines)
    again = imported(database_url, tmp_path, kind, *lines)

    assert (found["opt_ins_recorded"], found["opt_outs_recorded"]) == (1, 1)
    assert (again["opt_ins_recorded"], again["opt_outs_recorded"], again["unchanged"]) == (0, 0, 2)
    assert ledger(database) == [
        ("ada@x.example", "consent", "fair", "form 12"),
        ("ben@x.example", "opt_out", "import", None),
    ]


@pytest.mark.parametrize("line", [f"ada@x.example,A,yes,{WHEN},,", "ada@x.example,A,yes,,,form 12"])
def test_a_consent_without_evidence_or_time_is_counted_and_not_recorded(
    database: Database, database_url: str, tmp_path: Path, line: str
) -> None:
    found = imported(database_url, tmp_path, PersonKind.CONTACTS, line)

    assert (found["new"], found["opt_ins_unproven"], ledger(database)) == (1, 1, [])


@EACH_KIND
def test_who_opted_out_stays_opted_out_whatever_a_file_says(
    database: Database, database_url: str, tmp_path: Path, kind: PersonKind
) -> None:
    imported(database_url, tmp_path, kind, f"ada@x.example,A,no,{WHEN},,")
    before = ledger(database)

    found = imported(database_url, tmp_path, kind, "ADA@x.example,A,yes,2026-06-01T10:00:00Z,fair,form 12")

    assert (found["opt_ins_refused"], found["opt_ins_recorded"], ledger(database)) == (1, 0, before)


def test_a_customer_who_opted_out_in_the_crm_stays_so_too(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    customer = add_customer(database, "ada@x.example")
    rows_of(database, "update customer_profiles set opted_out_at = '2026-01-05' where id = :id", id=customer)

    found = imported(database_url, tmp_path, PersonKind.CUSTOMERS, f"ada@x.example,A,yes,{WHEN},fair,form 12")

    assert (found["opt_ins_refused"], found["opt_ins_recorded"]) == (1, 0)
    assert one(database, "select opted_out_at from customer_profiles")["opted_out_at"] is not None


@EACH_KIND
def test_a_contact_who_opted_out_at_another_address_stays_so_whatever_is_imported(
    database: Database, database_url: str, tmp_path: Path, kind: PersonKind
) -> None:
    add_two = """
        insert into contacts (org_id, email, created_at)
        values (default_org_id(), 'ada@x.example', '2026-01-01'), (default_org_id(), 'Ada@X.example', '2026-01-02')"""
    rows_of(database, add_two + " returning id")
    rows_of(
        database,
        "insert into contact_opt_outs (contact_id, channel, opted_out_at)"
        " select id, 'email', '2026-02-01' from contacts where email = 'Ada@X.example' returning contact_id",
    )

    found = imported(database_url, tmp_path, kind, f"ada@x.example,A,yes,{WHEN},fair,form 12")

    assert (found["opt_ins_refused"], found["opt_ins_recorded"], ledger(database)) == (1, 0, [])


def test_an_opt_out_counts_on_a_repeated_line_and_on_a_bad_one(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    found = imported(
        database_url,
        tmp_path,
        PersonKind.CONTACTS,
        f"ada@x.example,A,yes,{WHEN},fair,form 12",
        "ada@x.example,A,no,,,",
        f"ben@x.example,{'B' * 600},no,,,",
    )

    assert (found["new"], found["repeated"], found["bad"], found["opt_ins_refused"]) == (1, 1, 1, 1)
    assert [(address, kind) for address, kind, *_ in ledger(database)] == [
        ("ada@x.example", "opt_out"),
        ("ben@x.example", "opt_out"),
    ]


@EACH_KIND
def test_an_erased_person_is_not_brought_back(
    database: Database, database_url: str, tmp_path: Path, kind: PersonKind
) -> None:
    block_return(database, Person(addresses=frozenset({"ada@x.example"})), utc_now())
    before = ledger(database)

    found = imported(database_url, tmp_path, kind, f"Ada@X.example,A,yes,{WHEN},fair,form 12", "ben@x.example,B,,,,")

    assert (found["new"], found["bad"], ledger(database)) == (1, 1, before)
    assert [each["reason"] for each in found["left_out"]] == ["the person was erased, and does not come back"]
    stored = """
        select email from contacts
        union all select contact_email from prospects
        union all select email from customer_emails"""
    assert [row["email"] for row in rows_of(database, stored)] == ["ben@x.example"]
