"""What nothing carries to the other side is found: what is parked or outside of the index, and altered attributes."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.replication.discard import list_parked, retry
from crm_relay.edge_cache.replication.run import SyncRun
from crm_relay.edge_cache.status import sync_status
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput, RowRefused
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.integrity.integrity_harness import IntegrityHarness, result


@pytest.fixture
def harness(database: Database) -> IntegrityHarness:
    found = IntegrityHarness(database)
    found.add_prospects(3)
    found.sync()
    return found


def is_healthy(harness: IntegrityHarness) -> bool:
    run = SyncRun(harness.db, harness.table, lambda: harness.now, harness.deadline)
    run.to_postgres()
    run.to_cache()
    return sync_status(harness.db, harness.table, harness.now).healthy


def found(harness: IntegrityHarness, check: str, *, full: bool = False) -> list[tuple[object, object]]:
    report = harness.check(full=full)
    return [(each["row"], each["what"]) for each in result(report, check).findings]


def twin(harness: IntegrityHarness) -> EdgeTwin:
    assert isinstance(harness.table, EdgeTwin)
    return harness.table


def test_a_parked_edit_is_not_healthy_and_a_finding_after_an_hour(harness: IntegrityHarness) -> None:
    assert is_healthy(harness)
    row_id = uuid4()
    harness.table.edit("emails", row_id, "no JSON", edited_at=harness.now)
    assert not is_healthy(harness)
    harness.now = datetime.now(UTC) + timedelta(minutes=59)
    assert found(harness, "parked") == []
    harness.now += timedelta(minutes=2)
    assert found(harness, "parked") == [(str(row_id), "parked")]
    assert "integrity_parked" in harness.incidents()
    assert not is_healthy(harness)


def test_a_row_that_is_too_large_is_not_healthy_and_a_finding(harness: IntegrityHarness) -> None:
    row_id = harness.add_email(body="x" * 450_000)
    assert not is_healthy(harness)
    assert found(harness, "parked") == [(str(row_id), "parked")]
    harness.rows("update emails set body = 'x' where id = :id", id=row_id)
    assert is_healthy(harness)
    assert found(harness, "parked") == []
    assert "integrity_parked" not in harness.incidents()


def test_a_row_that_steps_aside_for_an_edit_is_healthy_for_a_while(harness: IntegrityHarness) -> None:
    harness.now = datetime.now(UTC) + timedelta(minutes=1)
    prospect = harness.rows("select id from prospects limit 1")[0]["id"]
    item = harness.item("prospects", prospect)
    assert item is not None
    SyncRun(harness.db, harness.table, lambda: harness.now, harness.deadline).to_postgres()
    harness.table.edit("prospects", prospect, (item.doc or "").replace("P", "Q"), edited_at=harness.now)
    harness.rows("update prospects set city = 'New' where id = :id", id=prospect)
    SyncRun(harness.db, harness.table, lambda: harness.now, harness.deadline).to_cache()
    assert [line.reason for line in list_parked(harness.db, limit=9)] == ["an edit waits"]
    assert sync_status(harness.db, harness.table, harness.now).healthy
    harness.rows("update edge_parked set parked_at = :at", at=harness.now - timedelta(minutes=16))
    assert not sync_status(harness.db, harness.table, harness.now).healthy


def without_index(harness: IntegrityHarness, entity: Entity, doc: str, row_id: UUID | None = None) -> UUID:
    """An edit whose index keys others took away."""
    row_id = row_id or uuid4()
    harness.table.edit(entity, row_id, doc, edited_at=harness.now)
    item = harness.item(entity, row_id)
    assert item is not None
    harness.table.park(item)
    return row_id


@pytest.mark.parametrize("full", [False, True])
def test_an_email_that_waits_outside_of_the_index_is_found_and_pushed(harness: IntegrityHarness, full: bool) -> None:
    prospect = str(harness.rows("select id from prospects limit 1")[0]["id"])
    doc = json.dumps({"id": str(UUID(int=7)), "prospect_id": prospect, "status": "sent"})
    row_id = without_index(harness, "emails", doc, UUID(int=7))
    harness.now += timedelta(minutes=59)
    assert found(harness, "drift", full=full) == []
    harness.now += timedelta(minutes=2)
    assert found(harness, "drift", full=full) == [(str(row_id), "an edit that nothing brings to PostgreSQL")]
    assert result(harness.check(fix=True, full=full), "drift").fixed == 1
    harness.push()
    assert harness.email(row_id)["status"] == "sent"
    assert found(harness, "drift", full=True) == []
    assert harness.revert(str(harness.fixes()[0]["id"])).fixes == ()


def test_an_edit_outside_of_the_index_that_says_what_postgresql_says_is_found_at_night(
    harness: IntegrityHarness,
) -> None:
    """It keeps every later change away."""
    prospect = harness.rows("select id from prospects limit 1")[0]["id"]
    item = harness.item("prospects", prospect)
    assert item is not None
    assert item.doc is not None
    without_index(harness, "prospects", item.doc, prospect)
    harness.now += timedelta(hours=2)
    assert found(harness, "drift", full=True) == [(str(prospect), "an edit that nothing brings to PostgreSQL")]


@pytest.mark.parametrize("is_parked", [False, True])
def test_a_resync_brings_back_what_waits_outside_of_the_index(harness: IntegrityHarness, is_parked: bool) -> None:
    doc = json.dumps({"id": str(UUID(int=7)), "status": "sent"})
    row_id = without_index(harness, "emails", doc, UUID(int=7))
    if is_parked:
        harness.rows("insert into edge_parked values ('to_postgres', 'emails', :id, 'x')", id=row_id)
    SyncRun(harness.db, harness.table, lambda: harness.now, harness.deadline).resync("emails")
    harness.push()
    assert harness.email(row_id)["status"] == "sent"
    assert list_parked(harness.db, limit=9) == []


def test_what_is_parked_is_tried_again_by_a_command(harness: IntegrityHarness) -> None:
    harness.rows("alter table emails add constraint short check (length(subject) < 5)")
    ids = [UUID(int=7), UUID(int=8)]
    for row_id in ids:
        doc = json.dumps({"id": str(row_id), "subject": "too long"})
        harness.table.edit("emails", row_id, doc, edited_at=harness.now)
    harness.push()
    harness.rows("alter table emails drop constraint short")
    harness.push()
    assert len(list_parked(harness.db, limit=9)) == 2
    assert retry(harness.db, harness.table, harness.now, wanted=("emails", ids[0])) == 1
    harness.push()
    assert [line.id for line in list_parked(harness.db, limit=9)] == [ids[1]]
    assert retry(harness.db, harness.table, harness.now) == 1
    harness.push()
    assert list_parked(harness.db, limit=9) == []
    assert len(harness.rows("select from emails where subject = 'too long'")) == 2
    with pytest.raises(RejectedInput):
        retry(harness.db, harness.table, harness.now, wanted=("emails", ids[0]))


@pytest.mark.parametrize("name", ["deleted", "expires_at", "gsi2pk"])
@pytest.mark.parametrize("full", [False, True])
def test_an_attribute_that_others_set_is_found_and_taken_away(harness: IntegrityHarness, name: str, full: bool) -> None:
    row_id = harness.add_email()
    harness.sync()
    item = harness.item("emails", row_id)
    assert item is not None
    harness.table.restore("emails", row_id, replace(item, altered=(name,)), now=harness.now)
    assert found(harness, "drift", full=full) == [(str(row_id), "other attributes at the edge")]
    assert result(harness.check(fix=True), "drift").fixed == 1
    mended = harness.item("emails", row_id)
    assert mended is not None
    assert mended.altered == ()
    assert found(harness, "drift", full=True) == []


@pytest.mark.parametrize("entity", ["prospects", "emails"])
def test_a_tombstone_that_others_changed_becomes_one_again(harness: IntegrityHarness, entity: Entity) -> None:
    row_id = uuid4()
    gone = CacheItem(entity, row_id, 3, None, harness.now, harness.now, altered=("deleted",))
    twin(harness).restore(entity, row_id, gone, now=harness.now)
    assert found(harness, "drift") == [(str(row_id), "other attributes at the edge")]
    assert result(harness.check(fix=True), "drift").fixed == 1
    assert found(harness, "drift", full=True) == []


REFUSES = (
    "create function refuse() returns trigger language plpgsql as $$ begin "
    "if new.subject = 'bad' then raise exception 'no'; end if; return new; end $$; "
    "create trigger refuses before update on emails for each row execute function refuse()"
)


def test_an_email_that_cannot_be_mended_keeps_no_other_from_it(harness: IntegrityHarness) -> None:
    good = [harness.add_email(prospect_id=None, to_email="nobody@example.com") for _ in range(3)]
    bad = harness.add_email(prospect_id=None, to_email="nobody@example.com", subject="bad")
    harness.db.run_script(REFUSES)
    assert result(harness.check(fix=True), "orphaned_email").fixed == 3
    assert [harness.email(each)["orphaned"] for each in (*good, bad)] == [True, True, True, False]
    assert [row for *_, row, status in harness.findings() if status == "open"] == [str(bad)]


def test_a_check_that_fails_at_a_row_hides_what_no_other_finds(harness: IntegrityHarness) -> None:
    harness.add_email(message_id="<m>")
    harness.add_email(message_id="<m>")
    harness.rows("insert into organizations (id, name) values (:id, 'Other')", id=uuid4())
    harness.add_email(prospect_id=None, direction="inbound", status="received", org_id=None)
    harness.db.run_script(
        "create or replace function email_organization(prospect uuid, campaign uuid, direction text, sender text, "
        "receiver text) returns uuid language plpgsql stable as $$ begin raise exception 'no'; end $$"
    )
    with pytest.raises(RowRefused):
        harness.check()
    assert ("duplicate_message", "open") in {(check, status) for check, *_, status in harness.findings()}
    assert harness.one("select status from integrity_runs order by id desc limit 1") == {"status": "failed"}
