"""Compares PostgreSQL with the edge: sums of buckets first, and only what differs row by row."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from uuid import UUID

from crm_relay.edge_cache.items import item_hash
from crm_relay.edge_cache.keys import BUCKETS, ENTITIES, HIGHEST_VERSION, Entity, bucket_of
from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.read import confirmed_at
from crm_relay.edge_cache.replication.resync_store import all_running, never_synced
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.integrity import store
from crm_relay.integrity.decisions import (
    difference,
    differing_buckets,
    is_stuck,
    suspects_among,
)
from crm_relay.integrity.models import MOST_KEPT, Finding, Inspection, Looked, Replicate, Suspect
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Queryable

MOST_LEFT_OUT = 20_000
"""With more on its way than this, sums say nothing; a full comparison still does."""

MOST_BUCKETS = BUCKETS // 4
"""Where more differ, the sums that are kept at the edge are wrong, and everything is read instead."""

_PAGE = 32
_PAGE_SECONDS = 20.0


def look_for_drift(inspection: Inspection) -> Looked:
    """Every entity that was filled once and is not being filled now."""
    unseen: dict[str, str] = {}
    found: list[Suspect] = []
    total = 0
    config = inspection.table.get_config()
    unsettled = {*never_synced(inspection.db), *(each.entity for each in all_running(inspection.db))}
    waiting = inspection.table.unsynced(limit=MOST_LEFT_OUT)
    for entity in ENTITIES:
        mark = confirmed_at(config, entity)
        if mark is None or entity in unsettled:
            unseen[entity] = "the edge has not got all of it yet"
            continue
        on_their_way = {item.row_id for item in waiting if item.entity == entity}
        comparison = Comparison.of(inspection, entity, mark, on_their_way)
        found += comparison.compare(full=inspection.full)
        total += comparison.total
        if comparison.unseen is not None:
            unseen[entity] = comparison.unseen
    return Looked(tuple(_finding(each) for each in found[:MOST_KEPT]), total, unseen)


def _finding(suspect: Suspect) -> Finding:
    versions = {
        "postgres_version": None if suspect.row is None else suspect.row.version,
        "edge_version": None if suspect.item is None else suspect.item.version,
    }
    known = suspect.item is None or suspect.item.version <= HIGHEST_VERSION
    remedy = Replicate(suspect) if known else None
    return Finding(suspect.entity, str(suspect.row_id), suspect.what, versions, remedy, parked=not known)


@dataclass
class Comparison:
    """One entity. `left_out`: rows on their way; `unseen`: why not all of it was compared; `total` found.

    `stuck`: buckets with an edit that nothing brings to PostgreSQL.
    """

    db: Queryable
    table: EdgeTable
    entity: Entity
    deadline: Deadline
    now: datetime
    left_out: set[UUID]
    unseen: str | None = None
    found: list[Suspect] = field(default_factory=list)
    total: int = 0
    is_rehearsal: bool = False
    stuck: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, inspection: Inspection, entity: Entity, mark: datetime, waiting: Collection[UUID]) -> "Comparison":
        """What changed in PostgreSQL since `mark`, or waits on either side, is not compared."""
        now = inspection.clock()
        skipped = store.left_out(inspection.db, entity, mark=mark, now=now, limit=MOST_LEFT_OUT)
        table, deadline = inspection.table, inspection.deadline
        return cls(
            inspection.db, table, entity, deadline, now, skipped | set(waiting), is_rehearsal=inspection.is_rehearsal
        )

    def compare(self, *, full: bool) -> list[Suspect]:
        """What differs, and differs still when both sides are read again; no more than are kept."""
        if len(self.left_out) >= MOST_LEFT_OUT and not full:
            self.unseen = "too much is on its way; the nightly comparison looks"
            return []
        for page in _pages(self._differing(full=full)):
            if not self._has_time():
                break
            found = self._still_differing(self._suspects(page))
            self.total += len(found)
            # Each brings its item along: no more of them than will be kept.
            self.found += found[: MOST_KEPT - len(self.found)]
        return self.found

    def _differing(self, *, full: bool) -> list[int]:
        if not full:
            buckets = differing_buckets(self._ours(), self._kept())
            if len(buckets) <= MOST_BUCKETS:
                return buckets
        there = self._everything()
        if there is None:
            return []
        # An edit may say what PostgreSQL says, and keep its changes away all the same.
        return sorted({*differing_buckets(self._ours(), there), *self.stuck})

    def _has_time(self) -> bool:
        if not self.deadline.allows(_PAGE_SECONDS):
            self.unseen = "the time was up"
        return self.unseen is None

    def _ours(self) -> dict[int, int]:
        return store.digests(self.db, self.entity, self.left_out)

    def _kept(self) -> dict[int, int]:
        """The sums that the edge keeps, less what is on its way: a few items are read instead of their buckets."""
        sums = dict(self.table.digests(self.entity))
        for item in self.table.get(self.entity, sorted(self.left_out)).values():
            bucket = bucket_of(item.row_id)
            sums[bucket] = sums.get(bucket, 0) - item_hash(item)
        return sums

    def _everything(self) -> dict[int, int] | None:
        """The sums of what is really there; the edge's own are set right where they differ. None: no time for all."""
        there: dict[int, int] = {}
        compared: dict[int, int] = {}
        for page in self.table.every_item(self.entity):
            if not self._has_time():
                return None
            self._add(page, there, compared)
        wrong = differing_buckets(self.table.digests(self.entity), there)
        if wrong and not self.is_rehearsal:
            self.table.rebuild_digests(self.entity, wrong, now=self.now)
        return compared

    def _add(self, page: Sequence[CacheItem], there: dict[int, int], compared: dict[int, int]) -> None:
        for item in page:
            bucket, content = bucket_of(item.row_id), item_hash(item)
            there[bucket] = there.get(bucket, 0) + content
            if item.row_id in self.left_out:
                continue
            compared[bucket] = compared.get(bucket, 0) + content
            if is_stuck(item, self.now):
                self.stuck.add(bucket)

    def _suspects(self, buckets: Sequence[int]) -> list[Suspect]:
        rows = store.bucket_rows(self.db, self.entity, buckets)
        items: list[CacheItem] = [item for bucket in buckets for item in self.table.bucket(self.entity, bucket)]
        return suspects_among(self.entity, rows, items, self.left_out, self.now)

    def _still_differing(self, suspects: Sequence[Suspect]) -> list[Suspect]:
        """PostgreSQL is asked before the edge and once more after it.

        A row that was settled before the edge was read, and has the same version after that, did not change in between:
        whatever the edge had then and is not this row has drifted.
        """
        if not suspects:
            return []
        ids = [each.row_id for each in suspects]
        before = store.look_again(self.db, self.entity, ids)
        items = self.table.get(self.entity, ids)
        after = store.look_again(self.db, self.entity, ids)
        return [
            Suspect(self.entity, row_id, what, before[row_id], items.get(row_id))
            for row_id in ids
            if row_id in before and row_id in after and before[row_id] == after[row_id]
            if (what := difference(before[row_id], items.get(row_id), self.now)) is not None
        ]


def _pages(buckets: Sequence[int]) -> Iterator[list[int]]:
    left = iter(buckets)
    while page := list(islice(left, _PAGE)):
        yield page
