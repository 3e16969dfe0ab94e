"""A full resync: no reader sees a hole, whatever dies or changes on the way, and both sides are equal in the end."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.edge_cache.keys import BUCKETS, Entity, bucket_of
from crm_relay.edge_cache.models import CacheItem, SourceRow, WriteOutcome, WriteResult
from crm_relay.edge_cache.replication import resync as resync_module
from crm_relay.edge_cache.replication.resync import Resync
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from tests.integration.conftest import database_of_an_edge
from tests.support.edge_cache.edge_harness import NAME, EdgeHarness
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.processes.sudden_death import Killed, Life, MortalDatabase


@dataclass
class MortalTwin(EdgeTwin):
    """Its calls are steps of a life, too."""

    life: Life = field(default_factory=Life)

    def write(self, rows: Sequence[SourceRow], *, now: datetime, generation: int | None = None) -> list[WriteResult]:
        write = partial(super().write, now=now, generation=generation)
        return [each for row in rows for each in self.life.step(partial(write, [row]))]

    def every_item(self, entity: Entity, buckets: range = range(BUCKETS)) -> Iterator[list[CacheItem]]:
        return self.life.step(lambda: super(MortalTwin, self).every_item(entity, buckets))

    def settle(self, seen: CacheItem, *, version: int, doc: str | None, updated_at: datetime, now: datetime) -> bool:
        settled = super().settle
        return self.life.step(lambda: settled(seen, version=version, doc=doc, updated_at=updated_at, now=now))


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resync_module, "PAGE", 7)
    monkeypatch.setattr(resync_module, "BUCKETS_A_STEP", 1024)


def damage(edge: EdgeHarness, entity: Entity) -> None:
    """Behind everybody's back: rows that were never noted, rows that only the edge has, old content."""
    rows = [edge.add(entity, f"row {number}") for number in range(20)]
    edge.to_cache()
    edge.db.run_script(f"alter table {entity} disable trigger user")
    edge.change(rows[0], "changed unseen", entity)
    edge.delete(rows[1], entity)
    edge.add(entity, "new unseen")
    edge.db.run_script(f"alter table {entity} enable trigger user")
    edge.sql(f"update {entity} set {NAME[entity]} = 'noted' where id = :id", id=rows[2])
    edge.delete(rows[3], entity)


@pytest.mark.parametrize("entity", ["prospects", "campaigns", "mailboxes", "emails"])
def test_a_resync_makes_both_sides_equal(edge: EdgeHarness, entity: Entity) -> None:
    damage(edge, entity)
    answer = edge.resync(entity)
    assert (answer["finished"], answer["phase"]) == (True, "done")
    edge.sync()
    # What changed without a version is what the integrity check is for.
    edge.sql(f"update {entity} set {NAME[entity]} = {NAME[entity]} where {NAME[entity]} = 'changed unseen'")
    edge.sync()
    edge.assert_equal()


def test_a_reader_never_misses_a_row_during_a_resync(edge: EdgeHarness) -> None:
    edge.add_many(300)
    edge.to_cache()
    ids = {row_id for entity, row_id in edge.items() if entity == "prospects"}
    buckets = {bucket_of(row_id) for row_id in ids}
    missed: list[object] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            found = {i for i, item in edge.table.get("prospects", list(ids)).items() if item.doc is not None}
            missed.extend(ids - found)
            missed.extend(bucket for bucket in buckets if not edge.table.bucket("prospects", bucket))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(3):
        edge.resync("prospects")
    stop.set()
    reader.join()
    assert missed == []
    edge.assert_equal()


def test_rows_that_come_change_and_go_during_a_resync_end_right(edge: EdgeHarness) -> None:
    rows = [edge.add(row_id=UUID(int=number)) for number in range(1, 60)]
    edge.to_cache()
    steps = 0

    def meanwhile(_state: Any) -> None:
        nonlocal steps
        steps += 1
        if steps > 20:
            return
        edge.change(rows[steps], f"changed in step {steps}")
        if steps < 8:
            edge.delete(rows[-steps])
        edge.add(row_id=UUID(int=1000 - steps))
        edge.add(row_id=UUID(int=2**127 + steps))

    edge.run().resync("prospects", meanwhile)
    assert steps > 10
    edge.sync()
    edge.assert_equal()


def test_the_incremental_run_of_that_entity_waits_and_the_others_go_on(edge: EdgeHarness) -> None:
    edge.add_many(30)
    edge.to_cache()
    short = Resync(edge.db, edge.table, "prospects", lambda: edge.now, Deadline.after(3600))

    def out_of_time(_state: Any) -> None:
        short.deadline = Deadline.after(0)

    short.progress = out_of_time
    assert short.run().phase == "write"
    changed, mailbox = edge.add(name="waits"), edge.add("mailboxes", "goes on")

    edge.deadline = Deadline.after(29)  # enough for a page, not for a step of a resync
    edge.to_cache()
    assert (edge.edge(changed), edge.edge(mailbox, "mailboxes")) == (None, "goes on")
    edge.deadline = Deadline.after(3600)
    edge.to_cache()
    assert edge.edge(changed) == "waits"
    edge.assert_equal()


def test_the_first_run_fills_tables_that_were_there_before(database: Database) -> None:
    edge = EdgeHarness(database)
    edge.db.run_script("alter table prospects disable trigger user; alter table emails disable trigger user")
    edge.add_many(50)
    edge.add("emails")
    edge.db.run_script("alter table prospects enable trigger user; alter table emails enable trigger user")
    edge.to_cache()
    assert len(edge.items()) == 51
    edge.assert_equal()


def test_emails_that_postgresql_lost_are_brought_back_to_it_and_deleted_ones_are_not(edge: EdgeHarness) -> None:
    pushed, copied, gone = uuid4(), edge.add("emails", "a copy"), edge.add("emails", "gone")
    edge.edit(pushed, "written at the edge")
    edge.sync()
    edge.db.run_script("alter table emails disable trigger user")
    for row_id in (pushed, copied):
        edge.delete(row_id, "emails")
    edge.db.run_script("alter table emails enable trigger user; select setval('edge_versions', 2)")
    edge.delete(gone, "emails")
    assert edge.resync("emails")["phase"] == "done"
    assert edge.both(pushed) == ("written at the edge", "written at the edge")
    assert edge.both(copied) == ("a copy", "a copy")
    edge.sync()
    assert edge.both(gone) == (None, None)
    assert edge.conflicts() == []
    edge.assert_equal()


def test_an_email_that_nobody_can_read_stays_at_the_edge_and_is_parked(edge: EdgeHarness) -> None:
    odd, lost = uuid4(), uuid4()
    for row_id, doc in ((odd, "no JSON"), (lost, f'{{"id": "{lost}", "subject": "lost"}}')):
        edge.table.restore("emails", row_id, CacheItem("emails", row_id, 3, doc, edge.now, edge.now), now=edge.now)
    assert edge.resync("emails")["phase"] == "done"
    assert edge.both(lost) == ("lost", "lost")
    left = edge.item(odd, "emails")
    assert left is not None
    assert left.doc == "no JSON"
    assert list(edge.parked("to_postgres")) == [odd]


def test_an_edit_that_waits_survives_a_resync(edge: EdgeHarness) -> None:
    emails = [edge.add("emails") for _ in range(3)]
    prospect = edge.add()
    edge.to_cache()
    for row_id in emails:
        edge.edit(row_id, "edited")
    edge.edit(prospect, "edited", "prospects")
    edge.resync("emails")
    edge.resync("prospects")
    edge.sync()
    assert [edge.both(row_id) for row_id in emails] == [("edited", "edited")] * 3
    assert edge.both(prospect, "prospects") == ("edited", "edited")
    edge.assert_equal()


@pytest.mark.parametrize("entity", ["prospects", "emails"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_resync_killed_at_any_step_and_resumed_ends_equal(postgres_url: str, entity: Entity, before: bool) -> None:
    with database_of_an_edge(postgres_url, MortalTwin()) as edge:
        assert isinstance(edge.table, MortalTwin)
        damage(edge, entity)
        step = 0
        while step < 200:
            step += 1 if step < 20 else 3
            edge.edit_raw(lost := uuid4(), f'{{"id": "{lost}", "subject": "lost"}}', "emails")
            edge.to_postgres()
            edge.db.run_script(
                f"alter table emails disable trigger user; delete from emails where id = '{lost}'; "
                "alter table emails enable trigger user"
            )
            life = Life(step, before)
            edge.table.life = life
            mortal = MortalDatabase(edge.url, life)
            with contextlib.suppress(Killed):
                edge.run(mortal).resync(entity)
            mortal.close()
            edge.table.life = Life()
            edge.run().resync(entity)
            edge.to_cache()
            if entity == "emails":
                assert edge.both(lost) == ("lost", "lost"), step
            if not life.is_over:
                break
        assert 20 < step < 200, "a resync has an end"
        edge.resync("emails")
        edge.sql(f"update {entity} set {NAME[entity]} = 'as it is' where {NAME[entity]} = 'changed unseen'")
        edge.sync()
        edge.assert_equal()
        assert edge.one("select count(*) as n from edge_resyncs where finished_at is null")["n"] == 0


def test_a_stopped_resync_is_over_and_the_next_one_begins_anew(edge: EdgeHarness) -> None:
    for _ in range(2):
        assert edge.resync("prospects")["phase"] == "done"
    found = edge.sql("select generation, phase from edge_resyncs where entity = 'prospects' order by id")
    assert [tuple(row.values()) for row in found] == [(1, "done"), (2, "done"), (3, "done")]


def test_progress_is_told_with_every_step(edge: EdgeHarness) -> None:
    edge.add_many(20)
    progress: list[tuple[str, int]] = []
    edge.run().resync("prospects", lambda state: progress.append((state.phase, state.next_bucket or state.written)))
    assert progress == [
        ("write", 7), ("write", 14), ("write", 21), ("look", 21), ("look", 1024), ("look", 2048), ("look", 3072),
        ("sweep", 21), ("sweep", 1024), ("sweep", 2048), ("sweep", 3072), ("done", 4096),
    ]  # fmt: skip


def test_a_row_that_could_not_be_written_keeps_its_old_item_and_is_not_cleared_away(edge: EdgeHarness) -> None:
    row_id = edge.add(name="old")
    edge.to_cache()
    edge.change(row_id, "new")
    write = edge.table.write

    def fails(rows: Sequence[SourceRow], *, now: datetime, generation: int | None = None) -> list[WriteResult]:
        failed = [
            WriteResult(row, WriteOutcome.FAILED, "no answer") for row in rows if row.row_id == row_id and row.doc
        ]
        return [
            *failed,
            *write([row for row in rows if row.row_id != row_id or not row.doc], now=now, generation=generation),
        ]

    edge.table.write = fails  # type: ignore[method-assign]
    assert edge.resync("prospects")["phase"] == "done"
    assert edge.edge(row_id) == "old"
    assert edge.parked() == {row_id: "no answer"}
    edge.table.write = write  # type: ignore[method-assign]
    edge.sync()
    assert edge.edge(row_id) == "new"


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_an_incremental_run_killed_at_any_step_loses_no_change(postgres_url: str, before: bool) -> None:
    with database_of_an_edge(postgres_url, MortalTwin()) as edge:
        assert isinstance(edge.table, MortalTwin)
        step = 0
        while step < 60:
            step += 1
            changed, gone = edge.add(name=f"row {step}"), edge.add()
            edge.to_cache()
            edge.change(changed, "changed")
            edge.delete(gone)
            edge.table.life = life = Life(step, before)
            mortal = MortalDatabase(edge.url, life)
            with contextlib.suppress(Killed):
                edge.run(mortal).to_cache()
            mortal.close()
            edge.table.life = Life()
            edge.to_cache()
            assert (edge.edge(changed), edge.edge(gone)) == ("changed", None), step
            if not life.is_over:
                break
        assert 8 < step < 60, "a run has an end"
        edge.assert_equal()


def test_a_resync_that_was_cut_off_goes_on_where_it_was(edge: EdgeHarness) -> None:
    edge.add_many(20)

    def die(_state: Any) -> None:
        raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            edge.run().resync("prospects", die)
    progress: list[int] = []
    edge.run().resync("prospects", lambda state: progress.append(state.written))
    assert progress[:2] == [21, 21], "two pages of seven were written before"
