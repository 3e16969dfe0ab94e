"""PostgreSQL to the edge: nothing is skipped, nothing comes back from the dead, nobody holds up the others."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from crm_relay.edge_cache.models import SourceRow, WriteOutcome, WriteResult
from crm_relay.edge_cache.replication.run import SyncRun
from crm_relay.platform.database import Database
from tests.support.edge_cache.edge_harness import EdgeHarness
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import rows_of


@dataclass
class Moody(EdgeTwin):
    """Fails on some rows, or loses sight of what it did: `late` writes arrive when somebody lets them."""

    failing: set[UUID] = field(default_factory=set)
    delaying: bool = False
    late: list[tuple[list[SourceRow], datetime]] = field(default_factory=list)

    def write(self, rows: Sequence[SourceRow], *, now: datetime, generation: int | None = None) -> list[WriteResult]:
        if self.delaying:
            self.late.append((list(rows), now))
            return [WriteResult(row, WriteOutcome.FAILED, "no answer") for row in rows]
        failed = [WriteResult(row, WriteOutcome.FAILED, "no answer") for row in rows if row.row_id in self.failing]
        done = super().write([row for row in rows if row.row_id not in self.failing], now=now, generation=generation)
        found = {each.row.row_id: each for each in [*failed, *done]}
        return [found[row.row_id] for row in rows]

    def arrive(self) -> list[WriteOutcome]:
        """What was under way all the time."""
        late, self.late, self.delaying = self.late, [], False
        return [each.outcome for rows, now in late for each in super().write(rows, now=now)]


@pytest.fixture
def moody(database: Database) -> tuple[EdgeHarness, Moody]:
    table = Moody()
    harness = EdgeHarness(database, table)
    harness.begin()
    return harness, table


def test_a_transaction_that_commits_late_is_not_skipped(edge: EdgeHarness, database_url: str) -> None:
    slow = Database(database_url)
    late, early = uuid4(), uuid4()
    slow.run_script(f"begin; insert into prospects (id, name) values ('{late}', 'late')")
    edge.add(row_id=early, name="early")

    edge.to_cache()
    assert (edge.edge(late), edge.edge(early)) == (None, "early")

    slow.run_script("commit")
    edge.to_cache()
    slow.close()
    assert (edge.edge(late), edge.edge(early)) == ("late", "early")
    assert edge.waiting() == 0


def test_a_late_change_of_the_same_row_is_not_skipped(edge: EdgeHarness, database_url: str) -> None:
    row_id, other = edge.add(), edge.add()
    edge.to_cache()
    slow = Database(database_url)
    slow.run_script(f"begin; update prospects set name = 'late' where id = '{row_id}'")
    edge.change(other, "in between")
    edge.to_cache()
    slow.run_script("commit")
    slow.close()
    edge.to_cache()
    edge.assert_equal()


def test_a_row_that_is_made_anew_while_its_deletion_is_on_the_way_arrives(edge: EdgeHarness, database_url: str) -> None:
    row_id = edge.add()
    edge.to_cache()
    edge.delete(row_id)
    slow = Database(database_url)
    slow.run_script(f"begin; insert into prospects (id, name) values ('{row_id}', 'again')")
    edge.to_cache()
    assert edge.edge(row_id) is None

    slow.run_script("commit")
    slow.close()
    edge.to_cache()
    assert edge.edge(row_id) == "again"
    edge.assert_equal()


def test_rows_with_equal_times_all_arrive(edge: EdgeHarness) -> None:
    edge.sql(
        "insert into prospects (name, created_at, updated_at) "
        "select 'P' || n, '2026-01-01T00:00Z', '2026-01-01T00:00Z' from generate_series(1, 2500) n"
    )
    assert edge.to_cache()["written"] == 2500
    edge.assert_equal()


def test_a_change_within_the_same_microsecond_arrives(edge: EdgeHarness) -> None:
    row_id = edge.add()
    edge.change(row_id, "one", at=edge.now)
    edge.to_cache()
    edge.change(row_id, "two", at=edge.now)
    edge.to_cache()
    assert edge.edge(row_id) == "two"


def test_a_deleted_row_leaves_a_tombstone(edge: EdgeHarness) -> None:
    row_id = edge.add()
    edge.to_cache()
    edge.delete(row_id)
    assert edge.to_cache()["deleted"] == 1
    item = edge.item(row_id)
    assert item is not None
    assert item.doc is None


def test_a_row_that_changes_its_id_is_gone_under_the_former_one(edge: EdgeHarness) -> None:
    former, later = edge.add(), uuid4()
    edge.to_cache()
    edge.sql("update prospects set id = :later where id = :former", former=former, later=later)
    edge.to_cache()
    assert (edge.edge(former), edge.edge(later)) == (None, "first")


def test_an_older_write_that_arrives_after_the_deletion_resurrects_nothing(moody: tuple[EdgeHarness, Moody]) -> None:
    harness, table = moody
    row_id = harness.add()
    table.delaying = True
    harness.to_cache()
    late, table.late, table.delaying = table.late, [], False
    harness.delete(row_id)
    harness.later(hours=1)
    harness.to_cache()
    table.late = late
    assert table.arrive() == [WriteOutcome.UNCHANGED]
    assert harness.edge(row_id) is None


def test_a_write_that_was_taken_for_failed_and_arrives_late_changes_nothing(moody: tuple[EdgeHarness, Moody]) -> None:
    harness, table = moody
    row_id = harness.add(name="old")
    table.delaying = True
    harness.to_cache()
    late, table.late, table.delaying = table.late, [], False
    harness.change(row_id, "new")
    harness.later(hours=1)
    harness.to_cache()
    table.late = late
    assert table.arrive() == [WriteOutcome.UNCHANGED]
    assert harness.edge(row_id) == "new"


def test_a_failing_row_is_parked_and_holds_nobody_up_and_is_retried_as_it_is_by_then(
    moody: tuple[EdgeHarness, Moody],
) -> None:
    harness, table = moody
    bad, good = harness.add(name="bad"), harness.add(name="good")
    table.failing = {bad}
    answer = harness.to_cache()
    assert (answer["written"], answer["parked"], harness.edge(good)) == (1, 1, "good")
    assert harness.parked() == {bad: "no answer"}
    assert harness.waiting() == 0

    harness.sql("alter table prospects disable trigger user")
    harness.change(bad, "mended")
    harness.sql("alter table prospects enable trigger user")
    table.failing = set()
    assert harness.to_cache()["read"] == 0, "not before its time"
    harness.later(minutes=2)
    harness.to_cache()
    assert (harness.edge(bad), harness.parked()) == ("mended", {})


def test_a_row_that_keeps_failing_is_tried_more_and_more_rarely_but_every_hour(
    moody: tuple[EdgeHarness, Moody],
) -> None:
    harness, table = moody
    table.failing = {harness.add()}
    waits = []
    for _ in range(10):
        harness.to_cache()
        until = harness.one("select retry_at from edge_parked")["retry_at"]
        waits.append((until - harness.now) / timedelta(minutes=1))
        harness.now = until
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_a_row_of_more_than_400_kb_is_parked_until_it_is_smaller(edge: EdgeHarness) -> None:
    big, small = edge.add("emails", "x" * 450_000), edge.add("emails", "small")
    edge.to_cache()
    assert (edge.edge(small, "emails"), edge.edge(big, "emails")) == ("small", None)
    assert edge.parked() == {big: "more than 400 KB"}
    edge.later(days=1)
    assert edge.to_cache()["read"] == 0, "what is too large stays too large until it changes"

    edge.change(big, "now it fits", "emails")
    edge.to_cache()
    assert (edge.edge(big, "emails"), edge.parked()) == ("now it fits", {})


def test_an_application_that_forgets_updated_at_is_replicated_with_a_time(edge: EdgeHarness) -> None:
    row_id = edge.add()
    edge.to_cache()
    before = edge.doc(row_id)["updated_at"]
    edge.change(row_id, "changed")
    edge.to_cache()
    assert edge.edge(row_id) == "changed"
    assert edge.doc(row_id)["updated_at"] > before


def test_a_role_that_may_only_write_rows_can_still_write_them(edge: EdgeHarness) -> None:
    edge.sql("grant select, insert, update, delete on prospects to authenticated")
    edge.db.run_script(
        "create policy everybody on prospects to authenticated using (true) with check (true); "
        "begin; set local role authenticated; insert into prospects (name) values ('theirs'); "
        "update prospects set name = 'still theirs'; commit"
    )
    edge.to_cache()
    edge.assert_equal()


def test_what_came_from_the_edge_is_not_sent_back(edge: EdgeHarness) -> None:
    row_id = uuid4()
    edge.edit(row_id, "from the edge")
    prospect = edge.add()
    edge.to_cache()
    edge.edit(prospect, "by hand", "prospects")
    writes = []
    for _ in range(3):
        pushed, passed_on = edge.to_postgres(), edge.to_cache()
        writes.append((pushed["written"], passed_on["read"]))
        edge.later(minutes=10)
    assert writes == [(2, 0), (0, 0), (0, 0)]
    assert edge.both(row_id) == ("from the edge", "from the edge")
    edge.assert_equal()


def test_a_bulk_update_goes_in_pages_and_costs_few_statements_and_one_call_a_row(
    edge: EdgeHarness, database_url: str
) -> None:
    edge.add_many(5000)
    with CountingProxy(database_url) as proxy:
        through = Database(proxy.url)
        run = SyncRun(through, edge.table, lambda: edge.now, edge.deadline)
        run.to_cache()
        edge.sql("update prospects set stage = 'bulk' where contact_email is null")
        proxy.forget()
        calls = edge.table.calls
        answer = run.to_cache()
        statements = len(proxy.queries)
        through.close()
    assert (answer["written"], edge.waiting()) == (5000, 0)
    assert (edge.table.calls - calls) / 5000 <= 1.05
    assert statements / 5 <= 10
    edge.assert_equal()


def test_changes_of_one_row_in_one_page_are_one_write(edge: EdgeHarness) -> None:
    row_id = edge.add()
    for number in range(30):
        edge.change(row_id, f"take {number}")
    answer = edge.to_cache()
    assert (answer["read"], answer["written"], edge.edge(row_id)) == (1, 1, "take 29")


def test_what_changes_while_it_is_written_is_written_again(edge: EdgeHarness) -> None:
    row_id = edge.add(name="before")

    @dataclass
    class Interrupted(EdgeTwin):
        done: bool = False

        def write(
            self, rows: Sequence[SourceRow], *, now: datetime, generation: int | None = None
        ) -> list[WriteResult]:
            if not self.done:
                self.done = True
                edge.change(row_id, "meanwhile")
            return super().write(rows, now=now, generation=generation)

    edge.table = Interrupted()
    edge.to_cache()
    assert edge.edge(row_id) == "meanwhile"
    assert edge.waiting() == 0


def test_after_a_restore_from_a_backup_the_edge_follows_again(edge: EdgeHarness) -> None:
    kept, gone = edge.add(name="old"), edge.add(name="goes")
    for number in range(50):
        edge.change(kept, f"take {number}")
        edge.change(gone, f"take {number}")
    edge.to_cache()
    edge.db.run_script(
        "alter table prospects disable trigger user; "
        f"update prospects set name = 'restored', sync_version = 3 where id = '{kept}'; "
        "alter table prospects enable trigger user; select setval('edge_versions', 5)"
    )
    edge.change(kept, "after the restore")
    edge.delete(gone)
    edge.to_cache()
    assert edge.edge(kept) == "after the restore"
    assert edge.edge(gone) is None
    edge.assert_equal()


def test_the_audit_trail_has_every_run_also_one_that_failed(edge: EdgeHarness, database: Database) -> None:
    edge.add()
    edge.to_cache()
    edge.to_postgres()

    def broken(*_: object, **__: object) -> None:
        raise ValueError("odd")

    edge.table.unsynced = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(ValueError, match="odd"):
        edge.to_postgres()
    runs = rows_of(
        database, "select direction, status, written_count, error from sync_log where entity is null order by id"
    )
    assert [tuple(run.values()) for run in runs[-3:]] == [
        ("to_cache", "success", 1, None),
        ("to_postgres", "success", 0, None),
        ("to_postgres", "failed", 0, "not foreseen"),
    ]
