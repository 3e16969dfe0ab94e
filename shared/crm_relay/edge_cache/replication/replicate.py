"""PostgreSQL to the edge: what changed, once each, and nothing forgotten before it is confirmed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crm_relay.edge_cache import store
from crm_relay.edge_cache.decisions import SHRINK_LIMIT_PERCENT, may_delete
from crm_relay.edge_cache.keys import HIGHEST_VERSION, Entity
from crm_relay.edge_cache.models import CacheItem, SourceRow, WriteOutcome, WriteResult
from crm_relay.edge_cache.replication.read_page import page_of_changes
from crm_relay.edge_cache.store import Counts, EntityState
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import keep_open
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database

PAGE = 1000
SHRUNK = "edge_source_shrunk"
_PAGE_SECONDS = 20.0


@dataclass
class Replication:
    """One run to the cache. `only`: these entities, else all."""

    db: Database
    table: EdgeTable
    clock: Clock
    deadline: Deadline
    only: Sequence[Entity] | None = None
    limit_percent: float = SHRINK_LIMIT_PERCENT
    counts: Counts = field(default_factory=Counts)
    blocked: list[Entity] = field(default_factory=list)

    def run(self) -> bool:
        """Two statements a page of 1,000 rows. True where nothing is left; else the next run goes on."""
        self._hold_back_accidents()
        while self.deadline.allows(_PAGE_SECONDS):
            now = self.clock()
            page = page_of_changes(self.db, only=self.only, blocked=self.blocked, now=now, limit=PAGE)
            if not page.size:
                return True
            self.counts.read += page.size
            results = self.table.write(page.rows, now=now)
            lift_behind(self.db, self.table, results)
            results += page.unreadable
            store.confirm(self.db, results, page.seqs, now)
            self._count(results)
        return False

    def _count(self, results: Sequence[WriteResult]) -> None:
        for result in results:
            if result.outcome is WriteOutcome.DONE:
                self.counts.written += result.row.doc is not None
                self.counts.deleted += result.row.doc is None
            elif result.outcome is WriteOutcome.UNCHANGED:
                self.counts.unchanged += 1
            else:
                self.counts.parked += 1

    def _hold_back_accidents(self) -> None:
        """A source that is suddenly empty is not believed: its deletions wait until somebody says they were meant."""
        now = self.clock()
        pending = store.pending_changes(self.db)
        doubtful = []
        for state in store.entities(self.db, now):
            _, deletions = pending.get(state.entity, (0, 0))
            if deletions or state.is_blocked:
                doubtful += self._doubts(state, deletions, now)
            elif state.resync_stopped:
                doubtful.append(shrunk(state.entity, {}))
        keep_open(self.db, SHRUNK, doubtful, now)

    def _doubts(self, state: EntityState, deletions: int, now: datetime) -> list[Incident]:
        rows = store.count_source(self.db, state.entity)
        good = may_delete(
            rows=rows, deletions=deletions, allowed=state.shrink_allowed, limit_percent=self.limit_percent
        )
        store.note_count(self.db, state.entity, rows=rows, blocked=not good, now=now)
        if good:
            return []
        self.blocked.append(state.entity)
        return [shrunk(state.entity, {"rows": rows, "missing": deletions})]


def lift_behind(db: Database, table: EdgeTable, results: Sequence[WriteResult]) -> None:
    """Rows of which the edge has a later version than PostgreSQL get a new one there, and are written by the next page.

    That is so after a restore from a backup, and where a row was made again while its deletion was on the way.
    """
    refused = [each.row for each in results if each.outcome is WriteOutcome.UNCHANGED]
    for entity in sorted({row.entity for row in refused}):
        rows = {row.row_id: row for row in refused if row.entity == entity}
        items = [item for item in table.get(entity, list(rows)).values() if _is_ahead(item, rows[item.row_id])]
        if items:
            store.raise_versions(db, above=max(item.version for item in items))
            store.lift(db, entity, [item.row_id for item in items])


def _is_ahead(item: CacheItem, row: SourceRow) -> bool:
    if item.version > HIGHEST_VERSION:
        # Somebody else wrote it: following it would use up the numbers that are left. The integrity check shows it.
        return False
    return item.version > row.version and (item.doc is not None or row.doc is not None)


def shrunk(entity: Entity, details: Mapping[str, object]) -> Incident:
    """The one alert of a source that lost too much at once."""
    title = "Rows disappeared from a replicated table: nothing is deleted at the edge until somebody allows it"
    return Incident(SHRUNK, entity, title, details=details)


def allow_shrink(db: Database, names: Sequence[Entity], *, until: datetime) -> None:
    """The operator's word that the rows were meant to go."""
    store.allow_shrink(db, names, until=until)
