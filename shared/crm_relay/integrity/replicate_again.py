"""Writes rows that drifted to the edge once more: logged and noted first, so that a crash changes no outcome."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from uuid import UUID

from crm_relay.edge_cache.decisions import believed, may_delete
from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.models import CacheItem, SourceRow, WriteOutcome
from crm_relay.edge_cache.store import count_source, entities, raise_versions, source_rows
from crm_relay.integrity import store
from crm_relay.integrity.models import CheckName, Inspection, Suspect
from crm_relay.platform.database import Queryable

NumberedSuspect = tuple[int, Suspect]
"""With the number of its finding."""


@dataclass(frozen=True)
class ReplicationStep:
    """One fix that is logged. `version` None: what the edge has is pushed from there."""

    fix_id: int
    finding_id: int
    suspect: Suspect
    version: int | None


@dataclass(frozen=True)
class RepeatedReplication:
    """The fixes of one run. PostgreSQL is believed but for e-mails that it does not have: these the edge wrote."""

    inspection: Inspection
    run_id: int
    check: CheckName
    who: str
    approved: bool

    def run(self, found: Sequence[NumberedSuspect]) -> tuple[set[int], set[int]]:
        """Findings that were settled, and those whose deletion somebody has to allow."""
        settled: set[int] = set()
        doubtful: set[int] = set()
        for entity, some in groupby(sorted(found, key=_entity), key=_entity):
            numbered = list(some)
            if not self._may_delete(entity, numbered):
                doubtful |= {n for n, suspect in numbered if suspect.row is None and not _waits(suspect)}
            sound = [each for each in numbered if each[0] not in doubtful]
            settled |= self._entity(entity, sound) if sound else set()
        return settled, doubtful

    def _may_delete(self, entity: Entity, found: Sequence[NumberedSuspect]) -> bool:
        """A table that was emptied behind our back looks like many rows that only the edge has."""
        deletions = sum(suspect.row is None and not _waits(suspect) for _, suspect in found)
        if entity == "emails" or self.approved or not deletions:
            return True
        db, now = self.inspection.db, self.inspection.clock()
        allowed = any(each.shrink_allowed for each in entities(db, now) if each.entity == entity)
        return may_delete(rows=count_source(db, entity), deletions=deletions, allowed=allowed)

    def _entity(self, entity: Entity, found: Sequence[NumberedSuspect]) -> set[int]:
        """Three steps: log and note in one transaction, write, confirm. After a crash the next replication writes."""
        now = self.inspection.clock()
        steps = self.inspection.db.transact(lambda transaction: self._log(transaction, entity, found, now))
        done = [*self._write([each for each in steps if each.version is not None], now), *self._push(steps, now)]
        store.confirm_fixes(self.inspection.db, [step.fix_id for step in done], self.inspection.clock())
        return {step.finding_id for step in done}

    def _log(
        self, db: Queryable, entity: Entity, found: Sequence[NumberedSuspect], now: datetime
    ) -> list[ReplicationStep]:
        raise_versions(db, above=max(suspect.item.version if suspect.item else 0 for _, suspect in found))
        pushed = {suspect.row_id for _, suspect in found if _is_pushed(suspect)}
        rest = [suspect for _, suspect in found if suspect.row_id not in pushed]
        versions = store.touch(db, entity, [suspect.row_id for suspect in rest if suspect.row is not None])
        lonely = [suspect.row_id for suspect in rest if suspect.row is None]
        if lonely:
            versions |= store.note_deletions(db, entity, lonely)
        steps = [each for each in found if each[1].row_id in versions or each[1].row_id in pushed]
        fixes = [_logged(number, suspect, versions.get(suspect.row_id)) for number, suspect in steps]
        numbers = store.log_fixes(db, self.run_id, self.check, fixes, self.who, now)
        return [
            ReplicationStep(numbers[number], number, suspect, versions.get(suspect.row_id)) for number, suspect in steps
        ]

    def _write(self, steps: Sequence[ReplicationStep], now: datetime) -> Iterator[ReplicationStep]:
        """Those that the edge has now. An edit that came in between stays: it is decided on as always."""
        asked = [CacheItem(step.suspect.entity, step.suspect.row_id, 0, None, now, now) for step in steps]
        there = source_rows(self.inspection.db, asked)
        results = self.inspection.table.write([_row(step, there, now) for step in steps], now=now)
        for step, result in zip(steps, results, strict=True):
            if result.outcome in {WriteOutcome.DONE, WriteOutcome.UNCHANGED}:
                yield step

    def _push(self, steps: Sequence[ReplicationStep], now: datetime) -> Iterator[ReplicationStep]:
        """Those that wait now as they were seen; one that was edited meanwhile waits anyway."""
        for step in steps:
            item = step.suspect.item
            if step.version is None and item is not None:
                since = now if item.edited_at is None else believed(item.edited_at, now)
                waiting = replace(item, edited_at=since, edits=item.edits + 1)
                if self.inspection.table.record(item, waiting):
                    yield step


def _waits(suspect: Suspect) -> bool:
    return suspect.item is not None and suspect.item.edited_at is not None


def _is_pushed(suspect: Suspect) -> bool:
    """Whether the edge is believed: of an edit that has lost its place in the index, and of an e-mail it alone has."""
    is_lonely = suspect.entity == "emails" and suspect.row is None and suspect.item is not None
    return _waits(suspect) or (is_lonely and suspect.item is not None and suspect.item.doc is not None)


def _entity(found: NumberedSuspect) -> Entity:
    return found[1].entity


def _row(step: ReplicationStep, there: Mapping[UUID, SourceRow], now: datetime) -> SourceRow:
    """As it is by now; a tombstone where there is none."""
    suspect = step.suspect
    found = there.get(suspect.row_id) if suspect.row is not None else None
    return found or SourceRow(suspect.entity, suspect.row_id, step.version or 0, now, None)


def _logged(number: int, suspect: Suspect, version: int | None) -> dict[str, object]:
    edits = 1 + (suspect.item.edits if suspect.item else 0)
    after: dict[str, object] = {"pushed": True, "edits": edits} if version is None else {"version": version}
    if _waits(suspect):
        after = {"queued": True}
    return {
        "finding_id": number,
        "entity": suspect.entity,
        "row_id": suspect.row_id,
        "action": "pushed from the edge" if version is None else "deleted" if suspect.row is None else "replicated",
        "before": item_as_json(suspect.item),
        "after": after | ({"deleted": True} if suspect.row is None and version is not None else {}),
    }


def item_as_json(item: CacheItem | None) -> dict[str, object] | None:
    """All that `restore` needs; None where there was no item."""
    if item is None:
        return None
    return {
        "version": item.version,
        "doc": item.doc,
        "updated_at": item.updated_at,
        "written_at": item.written_at,
        "generation": item.generation,
        "edits": item.edits,
    }


def item_from_json(entity: Entity, row_id: UUID, stored: Mapping[str, object] | None) -> CacheItem | None:
    """The way back."""
    if stored is None:
        return None
    return CacheItem(
        entity,
        row_id,
        int(str(stored["version"])),
        None if stored["doc"] is None else str(stored["doc"]),
        datetime.fromisoformat(str(stored["updated_at"])),
        datetime.fromisoformat(str(stored["written_at"])),
        int(str(stored["generation"])),
        int(str(stored["edits"])),
    )
