"""An erasure beside a batch of an import leaves no row of the erased person, in whichever order they come."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from cli.imports.import_people import open_people
from crm_relay.imports.import_people import ImportRun, organization_of
from crm_relay.imports.models import ImportCounts, PersonKind
from crm_relay.operations.erase import Receipt, erase, erase_person, find
from crm_relay.platform.aws import queue
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database, Row
from tests.faults.conftest import aws, aws_environment
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.operations.planted_person import Places, erasure
from tests.support.platform.rows import rows_of

__all__ = ["aws", "aws_environment"]

ADA = "ada@x.example"
FILE = f"email,first name,company,phone\n{ADA},Ada,Engines,+49 30 123456\nben@x.example,Ben,Looms,+49 30 123457\n"
WAITING = "select from pg_locks where locktype = 'advisory' and not granted"
ROWS = """
    select 'contacts' as place from contacts where normalise_address(email) = :address
    union all select 'prospects' from prospects where normalise_address(contact_email) = :address
    union all select 'customer_emails' from customer_emails where normalise_address(email) = :address
    union all select 'customer_profiles' from customer_profiles where first_name = 'Ada'"""


@pytest.fixture
def places(aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    return Places.fresh(aws_environment)


class HeldDatabase(Database):
    """Waits before the first row of a person is written, behind everything that was read about them."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.has_read, self.may_write = threading.Event(), threading.Event()

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        if "insert into" in sql and not self.has_read.is_set():
            self.has_read.set()
            assert self.may_write.wait(60)
        return super()._send(sql, **more)


def imported(database: Database, tmp_path: Path, kind: PersonKind) -> ImportCounts:
    file = tmp_path / "people.csv"
    file.write_text(FILE, encoding="utf-8")
    return ImportRun(database, open_people(file, kind, []), organization_of(database, None), utc_now()).run()


def until_it_waits_or_ends(database_url: str, work: Future[Receipt]) -> None:
    watching = Database(database_url)
    for _ in range(600):
        if work.done() or rows_of(watching, WAITING):
            watching.close()
            return
        time.sleep(0.05)
    raise AssertionError("it neither waits nor ends")


@pytest.mark.parametrize("kind", PersonKind)
def test_a_batch_that_read_before_an_erasure_leaves_no_row_behind_it(
    harness: MauticHarness, places: Places, database_url: str, tmp_path: Path, kind: PersonKind
) -> None:
    held = HeldDatabase(database_url)
    with ThreadPoolExecutor(2) as beside:
        importing = beside.submit(imported, held, tmp_path, kind)
        assert held.has_read.wait(60)
        erasing = beside.submit(erase, erasure(harness, places), ADA)
        until_it_waits_or_ends(database_url, erasing)
        held.may_write.set()
        counts, receipt = importing.result(60), erasing.result(60)
    held.close()
    # A trigger refuses a customer who is erased by then; any other row is taken away by the erasure.
    assert counts.new == 2 or (kind is PersonKind.CUSTOMERS and counts.new == 1)
    assert (counts.new + counts.bad, receipt.is_complete, receipt.left) == (2, True, {})
    assert rows_of(harness.db, ROWS, address=ADA) == []
    again = imported(harness.db, tmp_path, kind)
    assert (again.bad, again.unchanged, rows_of(harness.db, ROWS, address=ADA)) == (1, 1, [])


@pytest.mark.parametrize("kind", PersonKind)
def test_who_is_brought_in_while_an_erasure_looks_for_them_is_erased_too(
    harness: MauticHarness, places: Places, tmp_path: Path, kind: PersonKind
) -> None:
    person = find(harness.db, ADA)
    assert imported(harness.db, tmp_path, kind).new == 2
    receipt = erase_person(erasure(harness, places), person)
    assert (receipt.is_complete, rows_of(harness.db, ROWS, address=ADA)) == (True, [])


def test_an_erasure_does_not_wait_for_a_rehearsal(
    harness: MauticHarness, places: Places, database_url: str, tmp_path: Path
) -> None:
    reader = Database(database_url)
    file = tmp_path / "people.csv"
    file.write_text(FILE, encoding="utf-8")
    people = open_people(file, PersonKind.CONTACTS, [])
    ImportRun(reader, people, organization_of(reader, None), utc_now(), is_dry=True).run()
    reader.close()
    assert erase(erasure(harness, places), ADA).is_complete
