"""Writes every row to the edge again and clears away what the source does not have; a reader never sees a hole."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from crm_relay.edge_cache.decisions import SHRINK_LIMIT_PERCENT, may_delete
from crm_relay.edge_cache.keys import BUCKETS, Entity
from crm_relay.edge_cache.models import CacheItem, SourceRow, WriteOutcome
from crm_relay.edge_cache.replication import resync_store as store
from crm_relay.edge_cache.replication.push_edits import Push
from crm_relay.edge_cache.replication.read_page import page_of_source
from crm_relay.edge_cache.replication.replicate import lift_behind, shrunk
from crm_relay.edge_cache.replication.resync_store import ResyncState
from crm_relay.edge_cache.store import (
    confirm,
    count_source,
    deleted_emails,
    draw_versions,
    entities,
    note_count,
    raise_versions,
    source_rows,
)
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.incidents.record import open_incidents
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database

PAGE = 1000
BUCKETS_A_STEP = 256
_STEP_SECONDS = 30.0


def ignore_progress(_state: ResyncState) -> None:
    """For a run that nobody watches."""


@dataclass
class Resync:
    """One entity. Progress is saved with every step, so that a run that is cut off is continued by the next one.

    One that was begun goes on as it was begun, whatever `clears` says.
    """

    db: Database
    table: EdgeTable
    entity: Entity
    clock: Clock
    deadline: Deadline
    ordered_by: str = "operator"
    limit_percent: float = SHRINK_LIMIT_PERCENT
    progress: Callable[[ResyncState], None] = ignore_progress
    clears: bool = True

    def run(self) -> ResyncState:
        """Where it stands at the end of this run: phase done or stopped, or how far it came.

        Every item gets the number of this resync as it is written. What still has an older one is counted, and where
        the source cannot be believed nothing is deleted; else it is looked up in the source, and goes only where that
        does not have it either.
        """
        state = self._begin()
        while not state.is_finished and self.deadline.allows(_STEP_SECONDS):
            state = self._step(state)
            store.save_resync(self.db, state, self.clock())
            self.progress(state)
        return state

    def _step(self, state: ResyncState) -> ResyncState:
        match state.phase:
            case "write":
                return self._write_page(state)
            case "look":
                return self._look(state)
            case _:
                return self._sweep(state)

    def _begin(self) -> ResyncState:
        running = store.running_resync(self.db, self.entity)
        if running is None:
            total = count_source(self.db, self.entity)
            now = self.clock()
            store.start_resync(
                self.db, self.entity, clears=self.clears, total=total, ordered_by=self.ordered_by, now=now
            )
            running = store.running_resync(self.db, self.entity)
        if running is None:
            raise AssertionError("a resync that was just begun runs")
        return running

    def _write_page(self, state: ResyncState) -> ResyncState:
        now = self.clock()
        page = page_of_source(self.db, self.entity, after=state.after_id, now=now, limit=PAGE)
        if page.last is None and not state.clears:
            return replace(state, phase="done")
        if page.last is None:
            # No e-mail is deleted for want of a row, so there is nothing to be afraid of.
            return replace(state, phase="sweep" if self.entity == "emails" else "look")
        if page.unreadable:
            confirm(self.db, page.unreadable, [], now)
        self._write(page.rows, state.generation)
        return replace(state, after_id=page.last, written=state.written + len(page.rows))

    def _write(self, rows: Sequence[SourceRow], generation: int) -> None:
        """What could not be written is parked, and the ordinary run tries it again."""
        now = self.clock()
        results = self.table.write(rows, now=now, generation=generation)
        lift_behind(self.db, self.table, results)
        failed = [each for each in results if each.outcome not in {WriteOutcome.DONE, WriteOutcome.UNCHANGED}]
        if failed:
            confirm(self.db, failed, [], now)

    def _look(self, state: ResyncState) -> ResyncState:
        doomed = state.doomed + sum(_is_old(item, state) for page in self._next_items(state) for item in page)
        if _upto(state) < BUCKETS:
            return replace(state, next_bucket=_upto(state), doomed=doomed)
        if not self._may_delete(doomed):
            return replace(
                state, doomed=doomed, phase="stopped", error="the source lost too many rows; nothing was deleted"
            )
        return replace(state, doomed=doomed, phase="sweep", next_bucket=0)

    def _sweep(self, state: ResyncState) -> ResyncState:
        there = [item for page in self._next_items(state) for item in page]
        self._push_again(there)
        swept = state.swept + self._clear_away([item for item in there if _is_old(item, state)], state.generation)
        return replace(
            state, next_bucket=_upto(state), swept=swept, phase="done" if _upto(state) == BUCKETS else "sweep"
        )

    def _next_items(self, state: ResyncState) -> Iterator[list[CacheItem]]:
        return self.table.every_item(self.entity, range(state.next_bucket, _upto(state)))

    def _push_again(self, there: Sequence[CacheItem]) -> None:
        """Edits wait in the index once more: those that were parked, and those that have lost their place in it."""
        for item in there:
            if item.edited_at is not None:
                self.table.record(item, replace(item, edits=item.edits + 1))

    def _clear_away(self, old: Sequence[CacheItem], generation: int) -> int:
        """Rows that came to the source since their page was read are written; the others go, or are pushed again."""
        there = source_rows(self.db, old)
        if there:
            self._write(list(there.values()), generation)
        missing = [item for item in old if item.row_id not in there]
        if self.entity == "emails":
            self._bring_back(missing)
            return 0
        versions = draw_versions(self.db, len(missing))
        now = self.clock()
        self._write([_gone(item, version, now) for item, version in zip(missing, versions, strict=True)], generation)
        return len(missing)

    def _bring_back(self, missing: Sequence[CacheItem]) -> None:
        """The edge is the source of e-mails: one that PostgreSQL has lost gets there, instead of vanishing here.

        One that was deleted stays: its deletion waits for the ordinary run, which passes it on or holds it back.
        """
        deleted = deleted_emails(self.db, [item.row_id for item in missing])
        lost = [item for item in missing if item.row_id not in deleted]
        if lost:
            raise_versions(self.db, above=max(item.version for item in lost))
            Push(self.db, self.table, self.clock, self.deadline).bring_back(lost)

    def _may_delete(self, doomed: int) -> bool:
        now = self.clock()
        known = next(each for each in entities(self.db, now) if each.entity == self.entity)
        rows = count_source(self.db, self.entity)
        note_count(self.db, self.entity, rows=rows, blocked=known.is_blocked, now=now)
        if may_delete(rows=rows, deletions=doomed, allowed=known.shrink_allowed, limit_percent=self.limit_percent):
            return True
        open_incidents(self.db, [shrunk(self.entity, {"rows": rows, "missing": doomed})], now)
        return False


def _is_old(item: CacheItem, state: ResyncState) -> bool:
    """Tombstones and what waits are left out."""
    return item.generation < state.generation and item.doc is not None and item.edited_at is None


def _upto(state: ResyncState) -> int:
    return min(state.next_bucket + BUCKETS_A_STEP, BUCKETS)


def _gone(item: CacheItem, version: int, now: datetime) -> SourceRow:
    return SourceRow(item.entity, item.row_id, version, now, None)
