"""Drift between PostgreSQL and the edge: found by sums, confirmed by a second look, mended, and taken back."""

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
from tests.support.integrity.integrity_world import IntegrityWorld, result
from tests.support.processes.sudden_death import Killed


@pytest.fixture
def world(database: Database) -> IntegrityWorld:
    return IntegrityWorld(database)


def drift_of(world: IntegrityWorld, *, full: bool = False) -> list[str]:
    report = world.check(full=full)
    return [str(each["row"]) for each in result(report, "drift").findings]


def test_sides_that_agree_are_clean_after_a_look_at_sums_alone(world: IntegrityWorld) -> None:
    world.add_prospects(300)
    world.add_email()
    world.sync()
    report = world.check()
    assert report.found == 0
    assert report.items_read <= 4 * BUCKETS // 64
    assert world.findings() == []
    assert world.incidents() == set()
    assert world.one("select status, items_read > 0 as reads from integrity_runs") == {
        "status": "success",
        "reads": True,
    }


def test_what_was_never_at_the_edge_is_not_compared(world: IntegrityWorld) -> None:
    world.add_prospects(3)
    unseen = result(world.check(), "drift").unseen
    assert set(unseen) == {"prospects", "campaigns", "mailboxes", "emails"}


@pytest.mark.parametrize("full", [False, True])
def test_an_item_that_somebody_else_changed_is_found_mended_and_put_back(world: IntegrityWorld, full: bool) -> None:
    rows = world.add_prospects(300)
    world.sync()
    changed = rows[7]
    before = world.tamper("prospects", changed, city="Elsewhere")
    tampered = world.item("prospects", changed)
    assert drift_of(world, full=full) == [str(changed)]
    assert world.incidents() == {"integrity_drift"}

    assert result(world.check(fix=True, full=full), "drift").fixed == 1
    mended = world.item("prospects", changed)
    assert mended is not None
    assert mended.doc == before.doc
    assert mended.version > before.version
    assert world.findings() == [("drift", "prospects", str(changed), "fixed")]
    assert world.rows("select from edge_changes") == []
    assert drift_of(world) == []
    assert world.incidents() == set()

    (fix,) = world.fixes()
    assert world.revert(str(fix["id"])).fixes == (fix["id"],)
    back = world.item("prospects", changed)
    assert back is not None
    assert tampered is not None
    assert (back.doc, back.version) == (tampered.doc, tampered.version)
    with pytest.raises(RejectedInput):
        world.revert(str(fix["id"]))


def test_what_was_taken_back_is_not_mended_again_unasked(world: IntegrityWorld) -> None:
    (row,) = world.add_prospects(1)
    world.sync()
    world.tamper("prospects", row, city="Elsewhere")
    world.check(fix=True)
    world.revert(f"run-{world.fixes()[0]['run_id']}")
    assert result(world.check(fix=True), "drift").fixed == 0
    assert world.findings()[-1] == ("drift", "prospects", str(row), "parked")
    assert result(world.check(fix=True, approved=frozenset({"drift"})), "drift").fixed == 1


def test_a_row_that_is_missing_at_the_edge_comes_back_and_can_go_again(world: IntegrityWorld) -> None:
    rows = world.add_prospects(20)
    world.sync()
    world.table.restore("prospects", rows[0], None, now=world.now)
    assert result(world.check(fix=True), "drift").fixed == 1
    assert world.item("prospects", rows[0]) is not None
    assert world.fixes()[0]["before"] is None
    world.revert(str(world.fixes()[0]["id"]))
    assert world.item("prospects", rows[0]) is None


def test_a_row_that_only_the_edge_has_becomes_a_tombstone_and_comes_back(world: IntegrityWorld) -> None:
    world.add_prospects(20)
    world.sync()
    ghost = world.add_at_edge("prospects", version=10**6)
    assert result(world.check(fix=True), "drift").fixed == 1
    gone = world.item("prospects", ghost)
    assert gone is not None
    assert gone.doc is None
    world.sync()
    assert drift_of(world) == []
    assert world.revert(str(world.fixes()[0]["id"])).left == ()
    back = world.item("prospects", ghost)
    assert back is not None
    assert back.doc is not None


def test_a_table_that_was_emptied_behind_our_back_is_not_mirrored(world: IntegrityWorld) -> None:
    world.add_prospects(30)
    world.sync()
    world.rows("alter table prospects disable trigger user")
    world.rows("delete from prospects")
    report = world.check(fix=True)
    assert result(report, "drift").asks
    assert result(report, "drift").fixed == 0
    assert {status for *_, status in world.findings()} == {"needs_approval"}
    assert "integrity_approval" in world.incidents()
    assert result(world.check(fix=True, approved=frozenset({"drift"})), "drift").fixed == 30
    assert "integrity_approval" not in world.incidents()


def test_an_email_that_only_the_edge_has_is_pushed_from_there(world: IntegrityWorld) -> None:
    world.sync()
    prospect = world.add_prospects(1)[0]
    world.sync()
    row_id = UUID("22222222-2222-4222-8222-222222222222")
    record_email(world.table, {"id": str(row_id), "prospect_id": str(prospect), "status": "sent"}, world.now)
    waiting = world.item("emails", row_id)
    assert waiting is not None
    lost = CacheItem("emails", row_id, 0, waiting.doc, waiting.updated_at, waiting.written_at)
    world.table.restore("emails", row_id, lost, now=world.now)
    assert result(world.check(fix=True), "drift").fixed == 1
    assert world.table.count_unsynced() == 1
    world.push()
    assert world.email(row_id)["status"] == "sent"
    assert world.revert(str(world.fixes()[0]["id"])).left == (world.fixes()[0]["id"],)


def test_what_is_on_its_way_is_left_out_and_costs_only_its_own_items(world: IntegrityWorld) -> None:
    rows = world.add_prospects(300)
    email = world.add_email()
    world.sync()
    world.rows("update prospects set city = 'New' where id = any (:ids)", ids=rows[:5])
    item = world.item("emails", email)
    assert item is not None
    world.table.edit("emails", email, (item.doc or "").replace("sent", "opened"), edited_at=world.now)
    calls = world.table.calls
    assert world.check().found == 0
    # The mark, twice the sparse index, four times the sums, and the items that are on their way: no bucket.
    assert world.table.calls - calls == 1 + 8 + 9 + 4 + 2
    assert drift_of(world, full=True) == []


def test_a_row_that_is_younger_than_the_confirmed_mark_is_left_out(world: IntegrityWorld) -> None:
    rows = world.add_prospects(3)
    world.sync()
    world.rows("update prospects set city = 'New', updated_at = :at where id = :id", id=rows[0], at=world.now)
    world.rows("delete from edge_changes")
    assert drift_of(world) == []
    world.rows(
        "update prospects set city = 'New', updated_at = :at where id = :id",
        id=rows[0],
        at=world.now - timedelta(days=2),
    )
    world.rows("delete from edge_changes")
    assert drift_of(world) == [str(rows[0])]


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
    world = IntegrityWorld(database, table=table)
    rows = world.add_prospects(50)
    world.sync()
    table.healed.append(world.tamper("prospects", rows[3], city="Elsewhere"))
    assert drift_of(world) == []
    assert table.healed == []
    assert world.findings() == []


def test_sums_that_are_wrong_without_a_wrong_row_are_set_right_at_night(world: IntegrityWorld) -> None:
    assert isinstance(world.table, EdgeTwin)
    world.add_prospects(50)
    world.sync()
    world.table.kept.clear()
    assert drift_of(world) == []
    assert drift_of(world, full=True) == []
    before = world.table.items_read
    assert drift_of(world) == []
    assert world.table.items_read - before <= 4 * 64


def test_a_dry_run_writes_nothing_anywhere(world: IntegrityWorld) -> None:
    assert isinstance(world.table, EdgeTwin)
    rows = world.add_prospects(20)
    world.add_email(prospect_id=None)
    world.sync()
    world.tamper("prospects", rows[0], city="Elsewhere")
    world.table.kept.clear()
    tables = (
        "select (select count(*) from integrity_runs) + (select count(*) from integrity_findings) + "
        "(select count(*) from integrity_fixes) + (select count(*) from incidents) + "
        "(select count(*) from edge_changes) as n"
    )
    item, kept = world.item("prospects", rows[0]), dict(world.table.kept)
    report = world.check(fix=True, full=True, dry_run=True)
    assert (result(report, "drift").fixable, result(report, "orphaned_email").fixable) == (1, 1)
    assert report.run_id is None
    assert world.one(tables) == {"n": 0}
    assert world.item("prospects", rows[0]) == item
    assert world.table.kept == kept
    assert world.rows("select from emails where orphaned") == []


def test_above_the_cap_nothing_is_mended_and_somebody_is_asked(world: IntegrityWorld) -> None:
    rows = world.add_prospects(5)
    world.sync()
    for row in rows:
        world.tamper("prospects", row, city="Elsewhere")
    report = world.check(fix=True, cap=4)
    assert result(report, "drift").asks
    assert world.fixes() == []
    assert {status for *_, status in world.findings()} == {"needs_approval"}
    assert world.incidents() == {"integrity_drift", "integrity_approval"}
    world.check()
    assert world.incidents() == {"integrity_drift", "integrity_approval"}
    assert result(world.check(fix=True, cap=5), "drift").fixed == 5
    world.check()
    assert world.incidents() == set()


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
    world = IntegrityWorld(database, table=table)
    rows = world.add_prospects(3)
    world.sync()
    before = world.tamper("prospects", rows[0], city="Elsewhere")
    table.deadly = True
    with pytest.raises(Killed):
        world.check(fix=True)
    (fix,) = world.fixes()
    assert (fix["applied_at"], fix["action"]) == (None, "replicated")
    assert world.findings() == [("drift", "prospects", str(rows[0]), "open")]
    assert len(world.rows("select from edge_changes")) == 1
    table.deadly = False
    world.sync()
    mended = world.item("prospects", rows[0])
    assert mended is not None
    assert mended.doc == before.doc
    assert drift_of(world) == []
    assert world.findings() == [("drift", "prospects", str(rows[0]), "gone")]
    assert world.revert(str(fix["id"])).fixes == (fix["id"],)


def test_a_row_that_changed_since_is_not_put_back(world: IntegrityWorld) -> None:
    rows = world.add_prospects(3)
    world.sync()
    world.tamper("prospects", rows[0], city="Elsewhere")
    world.check(fix=True)
    world.rows("update prospects set city = 'Newer' where id = :id", id=rows[0])
    world.sync()
    fix = world.fixes()[0]["id"]
    assert world.revert(str(fix)).left == (fix,)


def test_an_edge_that_is_ahead_of_a_restored_database_is_believed_no_more(world: IntegrityWorld) -> None:
    rows = world.add_prospects(3)
    world.sync()
    item = world.item("prospects", rows[0])
    assert item is not None
    ahead = CacheItem("prospects", rows[0], 10**7, item.doc, item.updated_at, item.written_at)
    world.table.restore("prospects", rows[0], ahead, now=world.now)
    assert result(world.check(fix=True), "drift").fixed == 1
    assert drift_of(world) == []


def test_a_version_that_was_never_ours_is_for_a_person(world: IntegrityWorld) -> None:
    world.add_prospects(3)
    world.sync()
    ghost = world.add_at_edge("prospects", version=10**18)
    assert result(world.check(fix=True), "drift").fixed == 0
    assert world.findings() == [("drift", "prospects", str(ghost), "parked")]


def test_without_time_nothing_is_called_gone_and_no_incident_ends(world: IntegrityWorld) -> None:
    rows = world.add_prospects(3)
    world.sync()
    world.tamper("prospects", rows[0], city="Elsewhere")
    world.check()
    world.deadline = Deadline.after(10)
    report = world.check()
    assert all(each.unseen for each in report.results)
    assert [status for *_, status in world.findings()] == ["open"]
    assert world.incidents() == {"integrity_drift"}


class AwayTwin(EdgeTwin):
    def get_config(self) -> dict[str, str]:
        raise TransientError("dynamodb batch_get_item: throttled")


def test_a_run_that_failed_says_why_and_closes_nothing(world: IntegrityWorld) -> None:
    with pytest.raises(TransientError):
        world.check(table=AwayTwin())
    row = world.one("select status, error, finished_at is not null as ended from integrity_runs")
    assert row == {"status": "failed", "error": "dynamodb batch_get_item: throttled", "ended": True}
