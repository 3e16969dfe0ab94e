"""An import that dies at any statement: the second run brings in the rest, nobody twice and nobody less."""

from pathlib import Path

import pytest

from cli.imports.import_people import open_people
from crm_relay.imports import import_people
from crm_relay.imports.import_people import ImportRun, organization_of
from crm_relay.imports.models import ImportCounts, PersonKind
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from tests.support.platform.rows import one, rows_of
from tests.support.processes.sudden_death import Killed, Life, MortalDatabase

PEOPLE = 7
HEADER = "email,first name,company,phone,consent,consent_at,consent_evidence\n"
GIVEN = ("yes,2026-05-01T10:00:00Z,form 12", "no,2026-05-02T10:00:00Z,")
TABLES = {
    PersonKind.CONTACTS: "select email from contacts",
    PersonKind.PROSPECTS: "select contact_email as email from prospects",
    PersonKind.CUSTOMERS: """
        select email from customer_emails mail
        join customer_profiles profile on profile.id = mail.customer_id
        join customer_phones phone on phone.customer_id = profile.id""",
}


def text() -> str:
    """The fourth line is bad, the fifth repeats the first."""
    lines = [f"p{n}@x.example,P{n},Firm {n},+49 30 12345{n},{GIVEN[n % 2]}\n" for n in range(PEOPLE)]
    lines[3] = "nobody,P3,,,,,\n"
    lines[4] = lines[0]
    return HEADER + "".join(lines)


def run(database: Database, tmp_path: Path, kind: PersonKind) -> ImportCounts:
    file = tmp_path / "people.csv"
    file.write_text(text(), encoding="utf-8")
    return ImportRun(database, open_people(file, kind, []), organization_of(database, None), utc_now()).run()


def counts(done: ImportCounts) -> tuple[int, ...]:
    return done.new, done.changed, done.unchanged, done.bad, done.repeated


# Three batches of two statements to begin with and more to write; where it lives on, nothing is left to do.
@pytest.mark.parametrize("last", range(1, 30, 2))
@pytest.mark.parametrize("kind", PersonKind)
def test_a_run_that_dies_inside_a_batch_is_made_up_for_by_the_next(
    database: Database,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: PersonKind,
    last: int,
) -> None:
    monkeypatch.setattr(import_people, "BATCH", 3)
    mortal = MortalDatabase(database_url, Life(last=last, before=last % 4 == 1))
    try:
        first = run(mortal, tmp_path, kind)
    except Killed:
        first = None
    mortal.close()
    before = len(rows_of(database, TABLES[kind]))
    second = run(database, tmp_path, kind)
    assert counts(second) == (5 - before, 0, before, 1, 1)
    assert second.read == sum(counts(second)) == PEOPLE
    if first is not None:
        assert (counts(first), before) == ((5, 0, 0, 1, 1), 5)
    assert sorted(row["email"] for row in rows_of(database, TABLES[kind])) == [
        f"p{n}@x.example" for n in (0, 1, 2, 5, 6)
    ]
    ledger = "select count(*)::integer as lines, count(distinct (address, kind))::integer as facts from consent_events"
    assert one(database, ledger) == {"lines": 5, "facts": 5}
