"""The edge to PostgreSQL: e-mails that were written there, and edits of copies, which are conflicts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

from crm_relay.edge_cache import store
from crm_relay.edge_cache.decisions import ConflictVerdict, Side, believed, decide, which_meeting
from crm_relay.edge_cache.documents import canonical, read_document
from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.models import CacheItem, SourceRow
from crm_relay.edge_cache.replication.late_edits import log_late_edits
from crm_relay.edge_cache.store import Counts, Key
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.aws.dynamo import RequestRefused
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import OF_ONE_ROW, RejectedInput, describe_error
from crm_relay.rules.in_parts import in_parts

PAGE = 500
_PAGE_SECONDS = 15.0


@dataclass(frozen=True)
class Case:
    """An edit, what PostgreSQL has of the same row, and who wins. The item's `doc` is as we would write it."""

    item: CacheItem
    row: SourceRow | None
    verdict: ConflictVerdict


@dataclass
class Push:
    """One run to PostgreSQL."""

    db: Database
    table: EdgeTable
    clock: Clock
    deadline: Deadline
    counts: Counts = field(default_factory=Counts)
    _refused: set[Key] = field(default_factory=set)
    _dealt_with: int = 0

    def run(self) -> bool:
        """Five statements a page of 500, one more for each kind of copy that was edited and for conflicts.

        True where nothing is left. An edit that is made while this runs is never lost: the item leaves the index only
        as the one that was read.
        """
        seen: set[tuple[Key, int]] = set()
        while self.deadline.allows(_PAGE_SECONDS):
            # What could not be dealt with is still the oldest: it must not hide the others.
            waiting = self.table.unsynced(limit=PAGE + len(seen) - self._dealt_with)
            page = [item for item in waiting if (_key(item), item.edits) not in seen]
            if not page:
                return log_late_edits(self.db, self.table, self.clock, self.deadline)
            seen |= {(_key(item), item.edits) for item in page}
            self.counts.read += len(page)
            self._carry_out(self._judge(page))
        return False

    def bring_back(self, items: Sequence[CacheItem]) -> None:
        """E-mails that PostgreSQL has lost without having deleted them; they need not wait. Safe to call twice."""
        now = self.clock()
        self._carry_out([Case(item, None, decide(item, None, now)) for item in self._sound(items, now)])

    def _judge(self, page: Sequence[CacheItem]) -> list[Case]:
        now = self.clock()
        sound = self._sound(page, now)
        rows: dict[Key, SourceRow] = {}
        self._park(in_parts(sound, lambda part: rows.update(store.keyed_rows(self.db, part)), believes=True))
        found = [(item, rows.get(_key(item))) for item in sound if _key(item) not in self._refused]
        missing = [item.row_id for item, row in found if item.entity == "emails" and row is None]
        deleted = store.deleted_emails(self.db, missing)
        return [Case(item, row, decide(item, row, now, was_deleted=item.row_id in deleted)) for item, row in found]

    def _sound(self, items: Sequence[CacheItem], now: datetime) -> list[CacheItem]:
        """As we would write them; what cannot be a row is parked."""
        sound, faulty = [], {}
        for item in items:
            try:
                sound.append(_as_we_write_it(item, now))
            except OF_ONE_ROW as error:
                faulty[item] = error
        self._park(faulty)
        return sound

    def _park(self, faulty: Mapping[CacheItem, Exception]) -> None:
        """They are out of the way of the others, and come back with their next edit."""
        for item in faulty:
            self.table.park(item)
        store.park_edits(self.db, [(item, describe_error(error)) for item, error in faulty.items()])
        self._refused |= {_key(item) for item in faulty}
        self._dealt_with += len(faulty)
        self.counts.parked += len(faulty)

    def _carry_out(self, cases: Sequence[Case]) -> None:
        """PostgreSQL first, then the items become what both sides have agreed on."""
        if not cases:
            return
        now = self.clock()
        written = self._write(cases, now)
        settled = [case for case in cases if case.item in written or self._stands_as_it_is(case)]
        agreed = store.agreed_rows(self.db, [case.item for case in settled], now)
        faulty: dict[CacheItem, Exception] = {}
        for case in settled:
            try:
                self._settle(case, agreed[_key(case.item)], now)
            except (*OF_ONE_ROW, RequestRefused) as error:
                faulty[case.item] = error
        self._park(faulty)

    def _write(self, cases: Sequence[Case], now: datetime) -> set[CacheItem]:
        """The edits that PostgreSQL took; conflicts are logged with what they decided, or neither is."""
        written: set[CacheItem] = set()

        def write(part: Sequence[Case]) -> None:
            written.update(self.db.transact(lambda transaction: _write(transaction, part, now)))

        refused = in_parts(cases, write, believes=True)
        self._park({case.item: error for case, error in refused.items()})
        return written

    def _settle(self, case: Case, row: SourceRow, now: datetime) -> None:
        """Unless it was edited again meanwhile: then that edit waits. RejectedInput where the row is too large."""
        self.table.settle(case.item, version=row.version, doc=row.doc, updated_at=row.updated_at, now=now)
        self.counts.written += case.verdict.winner is Side.EDGE
        self.counts.unchanged += case.verdict.winner is Side.POSTGRES and not case.verdict.is_conflict
        self.counts.conflicts += case.verdict.is_conflict
        self._dealt_with += 1

    def _stands_as_it_is(self, case: Case) -> bool:
        return case.verdict.writes is None and _key(case.item) not in self._refused


def _as_we_write_it(item: CacheItem, now: datetime) -> CacheItem:
    """Raises RejectedInput. An edit was made when the item says so, if that is believed, whatever its document says."""
    document = read_document(item.entity, item.doc or "")
    if document.id != item.row_id:
        raise RejectedInput(f"not a document of {item.entity}", status=422, details=["id: is another than the item's"])
    at = believed(item.edited_at or item.updated_at, now)
    doc = canonical(document.model_copy(update={"updated_at": at}))
    return replace(item, doc=doc, edited_at=None if item.edited_at is None else at)


def _write(transaction: Queryable, cases: Sequence[Case], now: datetime) -> set[CacheItem]:
    written: set[CacheItem] = set()
    writes = sorted((case for case in cases if case.verdict.writes is not None), key=_kind)
    for (entity, winner), some in groupby(writes, key=_kind):
        kind = list(some)
        edits = [(replace(case.item, doc=case.verdict.writes), case.row) for case in kind]
        # Of a row that won it is not what an edit made of it.
        ids = store.write_edits(transaction, entity, edits, by_hand=winner is Side.POSTGRES)
        written |= {case.item for case in kind if case.item.row_id in ids}
    decided = [case for case in cases if case.item in written or case.verdict.writes is None]
    store.log_conflicts(transaction, [_conflict(case) for case in decided if case.verdict.is_conflict], now)
    return written


def _conflict(case: Case) -> dict[str, object]:
    return {
        "entity": case.item.entity,
        "row_id": case.item.row_id,
        "postgres_doc": None if case.row is None or case.row.doc is None else json.loads(case.row.doc),
        "edge_doc": json.loads(case.item.doc or "null"),
        "postgres_at": None if case.row is None else case.row.updated_at,
        "edge_at": case.item.edited_at,
        "edge_edits": which_meeting(case.item, None if case.row is None else case.row.doc),
        "differing": list(case.verdict.differing),
        "winner": case.verdict.winner.value,
        "rule": case.verdict.rule,
    }


def _kind(case: Case) -> tuple[Entity, Side]:
    return case.item.entity, case.verdict.winner


def _key(item: CacheItem) -> Key:
    return item.entity, item.row_id
