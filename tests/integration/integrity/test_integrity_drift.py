"""Drift between PostgreSQL and the edge: found by sums, confirmed by a second look, mended, and taken back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.edge_cache.keys import BUCKETS, Entity
from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.record_email import record_email
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput, TransientError
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.integrity.integrity_harness import IntegrityHarness, result
from tests.support.processes.sudden_death import Killed


@pytest.fixture
def harness(database: Database) -> IntegrityHarness:
    return IntegrityHarness(database)


def drift_of(harness: IntegrityHarness, *, full: bool = False) -> list[str]:
    report = harness.check(full=full)
    return [str(each["row"]) for each in result(report, "drift").findings]


def test_sides_that_agree_are_clean_after_a_look_at_sums_alone(harness: IntegrityHarness) -> None:
    harness.add_prospects(300)
    harness.add_email()
    harness.sync()
    report = harness.check()
    assert report.found == 0
    assert report.items_read <= 4 * BUCKETS // 64
    assert harness.findings() == []
    assert harness.incidents() == set()
    assert harness.one("select status, items_read > 0 as reads from integrity_runs") == {
        "status": "success",
        "reads": True,
    }


def test_what_was_never_at_the_edge_is_not_compared(harness: IntegrityHarness) -> None:
    harness.add_prospects(3)
    unseen = result(harness.check(), "drift").unseen
    assert set(unseen) == {"prospects", "campaigns", "mailboxes", "emails"}


@pytest.mark.parametrize("full", [False, True])
def test_an_item_that_somebody_else_changed_is_found_mended_and_put_back(harness: IntegrityHarness, full: bool) -> None:
    rows = harness.add_prospects(300)
    harness.sync()
    changed = rows[7]
    before = harness.tamper("prospects", changed, city="Elsewhere")
    tampered = harness.item("prospects", changed)
    assert drift_of(harness, full=full) == [str(changed)]
    assert harness.incidents() == {"integrity_drift"}

    assert result(harness.check(fix=True, full=full), "drift").fixed == 1
    mended = harness.item("prospects", changed)
    assert mended is not None
    assert mended.doc == before.doc
    assert mended.version > before.version
    assert harness.findings() == [("drift", "prospects", str(changed), "fixed")]
    assert harness.rows("select from edge_changes") == []
    assert drift_of(harness) == []
    assert harness.incidents() == set()

    (fix,) = harness.fixes()
    assert harness.revert(str(fix["id"])).fixes == (fix["id"],)
    back = harness.item("prospects", changed)
    assert back is not None
    assert tampered is not None
    assert (back.doc, back.version) == (tampered.doc, tampered.version)
    with pytest.raises(RejectedInput):
        harness.revert(str(fix["id"]))


def test_what_was_taken_back_is_not_mended_again_unasked(harness: IntegrityHarness) -> None:
    (row,) = harness.add_prospects(1)
    harness.sync()
    harness.tamper("prospects", row, city="Elsewhere")
    harness.check(fix=True)
    harness.revert(f"run-{harness.fixes()[0]['run_id']}")
    assert result(harness.check(fix=True), "drift").fixed == 0
    assert harness.findings()[-1] == ("drift", "prospects", str(row), "parked")
    assert result(harness.check(fix=True, approved=frozenset({"drift"})), "drift").fixed == 1


def test_a_row_that_is_missing_at_the_edge_comes_back_and_can_go_again(harness: IntegrityHarness) -> None:
    rows = harness.add_prospects(20)
    harness.sync()
    harness.table.restore("prospects", rows[0], None, now=harness.now)
    assert result(harness.check(fix=True), "drift").fixed == 1
    assert harness.item("prospects", rows[0]) is not None
    assert harness.fixes()[0]["before"] is None
    harness.revert(str(harness.fixes()[0]["id"]))
    assert harness.item("prospects", rows[0]) is None


def test_a_row_that_only_the_edge_has_becomes_a_tombstone_and_comes_back(harness: IntegrityHarness) -> None:
    harness.add_prospects(20)
    harness.sync()
    ghost = harness.add_at_edge("prospects", version=10**6)
    assert result(harness.check(fix=True), "drift").fixed == 1
    gone = harness.item("prospects", ghost)
    assert gone is not None
    assert gone.doc is None
    harness.sync()
    assert drift_of(harness) == []
    assert harness.revert(str(harness.fixes()[0]["id"])).left == ()
    back = harness.item("prospects", ghost)
    assert back is not None
    assert back.doc is not None


def test_a_table_that_was_emptied_behind_our_back_is_not_mirrored(harness: IntegrityHarness) -> None:
    harness.add_prospects(30)
    harness.sync()
    harness.rows("alter table prospects disable trigger user")
    harness.rows("delete from prospects")
    report = harness.check(fix=True)
    assert result(report, "drift").asks
    assert result(report, "drift").fixed == 0
    assert {status for *_, status in harness.findings()} == {"needs_approval"}
    assert "integrity_approval" in harness.incidents()
    assert result(harness.check(fix=True, approved=frozenset({"drift"})), "drift").fixed == 30
    assert "integrity_approval" not in harness.incidents()


def test_an_email_that_only_the_edge_has_is_pushed_from_there(harness: IntegrityHarness) -> None:
    harness.sync()
    prospect = harness.add_prospects(1)[0]
    harness.sync()
    row_id = UUID("22222222-2222-4222-8222-222222222222")
    record_email(harness.table, {"id": str(row_id), "prospect_id": str(prospect), "status": "sent"}, harness.now)
    waiting = harness.item("emails", row_id)
    assert waiting is not None
    lost = CacheItem("emails", row_id, 0, waiting.doc, waiting.updated_at, waiting.written_at)
    harness.table.restore("emails", row_id, lost, now=harness.now)
    assert result(harness.check(fix=True), "drift").fixed == 1
    assert harness.table.count_unsynced() == 1
    harness.push()
    assert harness.email(row_id)["status"] == "sent"
    assert harness.revert(str(harness.fixes()[0]["id"])).left == (harness.fixes()[0]["id"],)


def test_what_is_on_its_way_is_left_out_and_costs_only_its_own_items(harness: IntegrityHarness) -> None:
    rows = harness.add_prospects(300)
    email = harness.add_email()
    harness.sync()
    harness.rows("update prospects set city = 'New' where id = any (:ids)", ids=rows[:5])
    item = harness.item("emails", email)
    assert item is not None
    harness.table.edit("emails", email, (item.doc or "").replace("sent", "opened"), edited_at=harness.now)
    calls = harness.table.calls
    assert harness.check().found == 0
    # The mark, twice the sparse index, four times the sums, and the items that are on their way: no bucket.
    assert harness.table.calls - calls == 1 + 8 + 9 + 4 + 2
    assert drift_of(harness, full=True) == []


def test_a_row_that_is_younger_than_the_confirmed_mark_is_left_out(harness: IntegrityHarness) -> None:
    rows = harness.add_prospects(3)
    harness.sync()
    harness.rows("update prospects set city = 'New', updated_at = :at where id = :id", id=rows[0], at=harness.now)
    harness.rows("delete from edge_changes")
    assert drift_of(harness) == []
    harness.rows(
        "update prospects set city = 'New', updated_at = :at where id = :id",
        id=rows[0],
        at=harness.now - timedelta(days=2),
    )
    harness.rows("delete from edge_changes")
    assert drift_of(harness) == [str(rows[0])]


@dataclass
class HealingTwin(EdgeTwin):
    """Replication arrives between the first look at a bucket and the second one."""

    healed: list[CacheItem] = field(default_factory=list)

    def bucket(self, entity: Entity, bucket: int) -> list[CacheItem]:
        found = super().bucket(entity, bucket)
        while self.healed:
            item = self.healed.pop()
            self.restore(item.entity, item.row_id, item, now=item.written_at)
        return found


def test_what_heals_between_the_two_looks_is_not_reported(database: Database) -> None:
    table = HealingTwin()
    harness = IntegrityHarness(database, table=table)
    rows = harness.add_prospects(50)
    harness.sync()
    table.healed.append(harness.tamper("prospects", rows[3], city="Elsewhere"))
    assert drift_of(harness) == []
    assert table.healed == []
    assert harness.findings() == []


def test_sums_that_are_wrong_without_a_wrong_row_are_set_right_at_night(harness: IntegrityHarness) -> None:
    assert isinstance(harness.table, EdgeTwin)
    harness.add_prospects(50)
    harness.sync()
    harness.table.kept.clear()
    assert drift_of(harness) == []
    assert drift_of(harness, full=True) == []
    before = harness.table.items_read
    assert drift_of(harness) == []
    assert harness.table.items_read - before <= 4 * 64


def test_a_dry_run_writes_nothing_anywhere(harness: IntegrityHarness) -> None:
    assert isinstance(harness.table, EdgeTwin)
    rows = harness.add_prospects(20)
    harness.add_email(prospect_id=None)
    harness.sync()
    harness.tamper("prospects", rows[0], city="Elsewhere")
    harness.table.kept.clear()
    tables = (
        "select (select count(*) from integrity_runs) + (select count(*) from integrity_findings) + "
        "(select count(*) from integrity_fixes) + (select count(*) from incidents) + "
        "(select count(*) from edge_changes) as n"
    )
    item, kept = harness.item("prospects", rows[0]), dict(harness.table.kept)
    report = harness.check(fix=True, full=True, dry_run=True)
    assert (result(report, "drift").fixable, result(report, "orphaned_email").fixable) == (1, 1)
    assert report.run_id is None
    assert harness.one(tables) == {"n": 0}
    assert harness.item("prospects", rows[0]) == item
    assert harness.table.kept == kept
    assert harness.rows("select from emails where orphaned") == []


def test_above_the_cap_nothing_is_mended_and_somebody_is_asked(harness: IntegrityHarness) -> None:
    rows = harness.add_prospects(5)
    harness.sync()
    for row in rows:
        harness.tamper("prospects", row, city="Elsewhere")
    report = harness.check(fix=True, cap=4)
    assert result(report, "drift").asks
    assert harness.fixes() == []
    assert {status for *_, status in harness.findings()} == {"needs_approval"}
    assert harness.incidents() == {"integrity_drift", "integrity_approval"}
    harness.check()
    assert harness.incidents() == {"integrity_drift", "integrity_approval"}
    assert result(harness.check(fix=True, cap=5), "drift").fixed == 5
    harness.check()
    assert harness.incidents() == set()


@dataclass
class DeadlyTwin(EdgeTwin):
    """The process dies at the first write to the edge."""

    deadly: bool = False

    def write(self, *arguments, **options):  # type: ignore[no-untyped-def]
        if self.deadly:
            raise Killed
        return super().write(*arguments, **options)


def test_a_run_that_dies_before_the_edge_has_the_fix_leaves_log_and_note(database: Database) -> None:
    table = DeadlyTwin()
    harness = IntegrityHarness(database, table=table)
    rows = harness.add_prospects(3)
    harness.sync()
    before = harness.tamper("prospects", rows[0], city="Elsewhere")
    table.deadly = True
    with pytest.raises(Killed):
        harness.check(fix=True)
    (fix,) = harness.fixes()
    assert (fix["applied_at"], fix["action"]) == (None, "replicated")
    assert harness.findings() == [("drift", "prospects", str(rows[0]), "open")]
    assert len(harness.rows("select from edge_changes")) == 1
    table.deadly = False
    harness.sync()
    mended = harness.item("prospects", rows[0])
    assert mended is not None
    assert mended.doc == before.doc
    assert drift_of(harness) == []
    assert harness.findings() == [("drift", "prospects", str(rows[0]), "gone")]
    assert harness.revert(str(fix["id"])).fixes == (fix["id"],)


def test_a_row_that_changed_since_is_not_put_back(harness: IntegrityHarness) -> None:
    rows = harness.add_prospects(3)
    harness.sync()
    harness.tamper("prospects", rows[0], city="Elsewhere")
    harness.check(fix=True)
    harness.rows("update prospects set city = 'Newer' where id = :id", id=rows[0])
    harness.sync()
    fix = harness.fixes()[0]["id"]
    assert harness.revert(str(fix)).left == (fix,)


def test_an_edge_that_is_ahead_of_a_restored_database_is_believed_no_more(harness: IntegrityHarness) -> None:
    rows = harness.add_prospects(3)
    harness.sync()
    item = harness.item("prospects", rows[0])
    assert item is not None
    ahead = CacheItem("prospects", rows[0], 10**7, item.doc, item.updated_at, item.written_at)
    harness.table.restore("prospects", rows[0], ahead, now=harness.now)
    assert result(harness.check(fix=True), "drift").fixed == 1
    assert drift_of(harness) == []


def test_a_version_that_was_never_ours_is_for_a_person(harness: IntegrityHarness) -> None:
    harness.add_prospects(3)
    harness.sync()
    ghost = harness.add_at_edge("prospects", version=10**18)
    assert result(harness.check(fix=True), "drift").fixed == 0
    assert harness.findings() == [("drift", "prospects", str(ghost), "parked")]


def test_without_time_nothing_is_called_gone_and_no_incident_ends(harness: IntegrityHarness) -> None:
    rows = harness.add_prospects(3)
    harness.sync()
    harness.tamper("prospects", rows[0], city="Elsewhere")
    harness.check()
    harness.deadline = Deadline.after(10)
    report = harness.check()
    assert all(each.unseen for each in report.results)
    assert [status for *_, status in harness.findings()] == ["open"]
    assert harness.incidents() == {"integrity_drift"}


class AwayTwin(EdgeTwin):
    def get_config(self) -> dict[str, str]:
        raise TransientError("dynamodb batch_get_item: throttled")


def test_a_run_that_failed_says_why_and_closes_nothing(harness: IntegrityHarness) -> None:
    with pytest.raises(TransientError):
        harness.check(table=AwayTwin())
    row = harness.one("select status, error, finished_at is not null as ended from integrity_runs")
    assert row == {"status": "failed", "error": "dynamodb batch_get_item: throttled", "ended": True}


@dataclass
class AnsweredTwin(EdgeTwin):
    """Between a look at an item and what is written over it somebody records a reply."""

    replies_to: UUID | None = None
    waits: int = 0

    def get(self, entity: Entity, row_ids: Sequence[UUID]) -> dict[UUID, CacheItem]:
        found = super().get(entity, row_ids)
        if self.replies_to in row_ids:
            self.waits -= 1
            if not self.waits:
                self.reply(entity)
        return found

    def reply(self, entity: Entity) -> None:
        row_id, self.replies_to = self.replies_to, None
        assert row_id is not None
        item = super().get(entity, [row_id])[row_id]
        doc = json.dumps(json.loads(item.doc or "{}") | {"status": "replied"})
        self.edit(entity, row_id, doc, edited_at=item.written_at + timedelta(seconds=1))


def lonely_email(harness: IntegrityHarness) -> UUID:
    """One that only the edge has, and that nothing waits for."""
    harness.add_prospects(1)
    harness.sync()
    ghost = harness.add_at_edge("emails")
    doc = json.dumps({"id": str(ghost), "status": "sent"})
    harness.table.restore(
        "emails", ghost, CacheItem("emails", ghost, 0, doc, harness.now, harness.now), now=harness.now
    )
    return ghost


def status_of(harness: IntegrityHarness, row_id: UUID) -> str:
    harness.push()
    return str(harness.email(row_id)["status"])


def test_a_reply_after_a_pushed_fix_survives_its_undoing(harness: IntegrityHarness) -> None:
    ghost = lonely_email(harness)
    assert result(harness.check(fix=True), "drift").fixed == 1
    record_email(harness.table, {"id": str(ghost), "status": "replied"}, harness.now + timedelta(seconds=1))
    assert harness.revert(str(harness.fixes()[0]["id"])).fixes == ()
    assert status_of(harness, ghost) == "replied"


def test_a_pushed_fix_that_nobody_touched_is_undone(harness: IntegrityHarness) -> None:
    ghost = lonely_email(harness)
    harness.check(fix=True)
    assert harness.revert(str(harness.fixes()[0]["id"])).left == ()
    item = harness.item("emails", ghost)
    assert item is not None
    assert item.edited_at is None


def test_a_reply_at_the_moment_of_an_undoing_survives_it(database: Database) -> None:
    table = AnsweredTwin()
    harness = IntegrityHarness(database, table=table)
    email = harness.add_email()
    harness.sync()
    harness.tamper("emails", email, subject="Mallory")
    assert result(harness.check(fix=True), "drift").fixed == 1
    table.replies_to, table.waits = email, 1
    assert harness.revert(str(harness.fixes()[0]["id"])).fixes == ()
    assert status_of(harness, email) == "replied"


def test_a_reply_at_the_moment_of_a_pushing_fix_survives_it(database: Database) -> None:
    table = AnsweredTwin()
    harness = IntegrityHarness(database, table=table)
    ghost = lonely_email(harness)
    table.replies_to, table.waits = ghost, 1
    harness.check(fix=True)
    assert status_of(harness, ghost) == "replied"


def test_a_fix_of_a_former_release_is_undone_where_the_item_says_what_it_said(harness: IntegrityHarness) -> None:
    ghost = lonely_email(harness)
    harness.check(fix=True)
    harness.rows("update integrity_fixes set after = after - 'edits'")
    assert harness.revert(str(harness.fixes()[0]["id"])).left == ()
    assert harness.table.count_unsynced() == 0
    assert ghost


def test_a_table_that_is_held_back_hides_the_drift_of_no_other(harness: IntegrityHarness) -> None:
    rows = harness.add_prospects(30)
    email = harness.add_email(prospect_id=rows[0])
    harness.sync()
    harness.rows("insert into mailboxes (email) select 'box' || n || '@example.com' from generate_series(1, 10) n")
    harness.sync()
    harness.rows("delete from mailboxes")
    harness.sync()
    harness.rows("update prospects set city = 'New' where id = :id", id=rows[1])
    harness.sync()
    at = harness.now - timedelta(hours=2)
    harness.rows("alter table prospects disable trigger user")
    harness.rows("update prospects set city = 'Unnoted', updated_at = :at where id = :id", id=rows[1], at=at)
    harness.tamper("emails", email, subject="Mallory")
    harness.sync()
    assert sorted(drift_of(harness)) == sorted([str(rows[1]), str(email)])
