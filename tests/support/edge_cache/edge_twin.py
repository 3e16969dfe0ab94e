"""The cache's table in memory, as exact as DynamoDB and faster than moto: for tests and benches of many rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from uuid import UUID

from crm_relay.edge_cache.dynamo.digests import MARK, Digest, advance, change_in
from crm_relay.edge_cache.items import expiry_of, hash_in, is_too_large, key_of
from crm_relay.edge_cache.keys import BUCKETS, Entity, bucket_of, partition_key
from crm_relay.edge_cache.models import EDIT_WAITS, CacheItem, LateEdit, SourceRow, WriteOutcome, WriteResult
from crm_relay.platform.aws.dynamo import Attributes, key, number, text
from crm_relay.platform.clock import Clock, utc_now
from crm_relay.platform.errors import RejectedInput
from tests.support.edge_cache.edge_attributes import attributes_of

_STREAM = "arn:aws:dynamodb:us-east-1:123456789012:table/twin/stream/2026-01-01T00:00:00.000"
_KEYS_A_READ = 100
_BUCKETS_A_PAGE = 16


@dataclass
class EdgeTwin:
    """An EdgeTable. Its stream is applied at once; `keep` False leaves that to whoever takes `records`."""

    clock: Clock = utc_now
    keep: bool = True
    calls: int = 0
    items_read: int = 0
    records: list[Attributes] = field(default_factory=list)
    kept: dict[tuple[Entity, int], Digest] = field(default_factory=dict)
    _items: dict[tuple[Entity, int], dict[UUID, CacheItem]] = field(default_factory=dict)
    _waiting: dict[tuple[Entity, UUID], CacheItem] = field(default_factory=dict)
    _late: dict[LateEdit, None] = field(default_factory=dict)
    _config: dict[str, str] = field(default_factory=dict)
    _sequence: Iterator[int] = field(default_factory=lambda: count(1))

    def write(self, rows: Sequence[SourceRow], *, now: datetime, generation: int | None = None) -> list[WriteResult]:
        return [self._write_row(row, now, generation) for row in rows]

    def get(self, entity: Entity, row_ids: Sequence[UUID]) -> dict[UUID, CacheItem]:
        asked = dict.fromkeys(row_ids)
        self.calls += -(-len(asked) // _KEYS_A_READ)
        found = [item for row_id in asked if (item := self._at(entity, row_id))]
        self.items_read += len(found)
        return {item.row_id: item for item in self._living(found)}

    def bucket(self, entity: Entity, bucket: int) -> list[CacheItem]:
        self.calls += 1
        found = sorted(self._items.get((entity, bucket), {}).values(), key=lambda item: str(item.row_id))
        self.items_read += len(found)
        return list(self._living(found))

    def edit(self, entity: Entity, row_id: UUID, doc: str, *, edited_at: datetime) -> CacheItem:
        base = CacheItem(entity, row_id, 0, doc, edited_at, edited_at)
        _refuse_too_large(base)
        self.calls += 1
        there = self._at(entity, row_id)
        if there and _is_refused(there, doc, edited_at):
            return there
        old = there or base
        item = replace(old, doc=doc, written_at=edited_at, edited_at=edited_at, edits=old.edits + 1, said_at=edited_at)
        self._put(item)
        return item

    def record(self, seen: CacheItem | None, after: CacheItem) -> bool:
        _refuse_too_large(after)
        self.calls += 1
        there = self._at(after.entity, after.row_id)
        if not self._is_as_seen(there, seen):
            return False
        self._put(replace(after, generation=there.generation if there else 0), indexes=True)
        return True

    def keep_late(self, edit: LateEdit) -> None:
        if len(edit.doc) > 400_000:
            raise RejectedInput("an item at the edge holds at most 400 KB", status=413)
        self.calls += 1
        self._late[edit] = None

    def late_edits(self, *, limit: int) -> list[LateEdit]:
        self.calls += 1
        self.items_read += len(self._late)
        return sorted(self._late, key=lambda edit: edit.edited_at)[:limit]

    def forget_late(self, edits: Sequence[LateEdit]) -> None:
        for edit in edits:
            self.calls += 1
            self._late.pop(edit, None)

    def unsynced(self, *, limit: int) -> list[CacheItem]:
        found = sorted(self._waiting.values(), key=lambda item: (item.edited_at, item.row_id))[:limit]
        self.calls += 8 + -(-len(found) // _KEYS_A_READ)
        self.items_read += 2 * len(found)
        return found

    def count_unsynced(self, *, older_than: datetime | None = None) -> int:
        self.calls += 8
        found = [i for i in self._waiting.values() if older_than is None or (i.edited_at and i.edited_at < older_than)]
        self.items_read += len(found)
        return len(found)

    def settle(self, seen: CacheItem, *, version: int, doc: str | None, updated_at: datetime, now: datetime) -> bool:
        _refuse_too_large(replace(seen, doc=doc))
        self.calls += 1
        there = self._at(seen.entity, seen.row_id)
        if there is None or there.edits != seen.edits:
            return False
        if there.edited_at or there.version < version:
            after = replace(there, version=version, doc=doc, updated_at=updated_at, written_at=now, edited_at=None)
            self._put(after)
        return True

    def park(self, seen: CacheItem) -> None:
        self.calls += 1
        there = self._at(seen.entity, seen.row_id)
        if there and there.edited_at and there.edits == seen.edits:
            self._waiting.pop((seen.entity, seen.row_id), None)

    def restore(self, entity: Entity, row_id: UUID, item: CacheItem | None, *, now: datetime) -> None:
        self.calls += 1
        there = self._at(entity, row_id)
        if item is not None:
            said_at = there.said_at if there else item.said_at
            self._put(replace(item, written_at=now, edits=(there.edits if there else 0) + 1, said_at=said_at))
        elif there is not None:
            del self._items[entity, bucket_of(row_id)][row_id]
            self._waiting.pop((entity, row_id), None)
            self._stream(key_of(entity, row_id), attributes_of(there), None)

    def put_back(
        self, entity: Entity, row_id: UUID, item: CacheItem | None, *, seen: CacheItem | None, now: datetime
    ) -> bool:
        there = self._at(entity, row_id)
        if there is None and item is None:
            self.calls += 1
            return True
        if not self._is_as_seen(there, seen):
            self.calls += 1
            return False
        self.restore(entity, row_id, item, now=now)
        return True

    def digests(self, entity: Entity) -> Mapping[int, int]:
        self.calls += 1
        self.items_read += len({bucket // 64 for of, bucket in self.kept if of == entity})
        return {bucket: digest.total for (of, bucket), digest in self.kept.items() if of == entity and digest.total}

    def rebuild_digests(self, entity: Entity, buckets: Sequence[int], *, now: datetime) -> Mapping[int, int]:
        return {bucket: self._rebuild(entity, bucket) for bucket in buckets}

    def every_item(self, entity: Entity, buckets: range = range(BUCKETS)) -> Iterator[list[CacheItem]]:
        for first in range(0, len(buckets), _BUCKETS_A_PAGE):
            some = buckets[first : first + _BUCKETS_A_PAGE]
            if page := [item for bucket in some for item in self.bucket(entity, bucket)]:
                yield page

    def everything(self) -> Iterator[list[Attributes]]:
        self.calls += 1
        found = [attributes_of(item) for items in self._items.values() for item in items.values()]
        found += [{**key("late", str(each.row_id)), "doc": text(each.doc)} for each in self._late]
        self.items_read += len(found)
        yield [{**key("config", "config"), **{name: text(value) for name, value in self._config.items()}}, *found]

    def get_config(self) -> dict[str, str]:
        self.calls += 1
        return dict(self._config)

    def set_config(self, values: Mapping[str, str]) -> None:
        self.calls += 1
        self._config |= values

    def _at(self, entity: Entity, row_id: UUID) -> CacheItem | None:
        return self._items.get((entity, bucket_of(row_id)), {}).get(row_id)

    def _living(self, items: Iterable[CacheItem]) -> Iterator[CacheItem]:
        now = int(self.clock().timestamp())
        return (item for item in items if item.doc is not None or expiry_of(item.written_at) > now)

    def _is_as_seen(self, there: CacheItem | None, seen: CacheItem | None) -> bool:
        if seen is None or there is None:
            return seen is None and not any(self._living([there] if there else []))
        is_same_edit = (there.edits, there.edited_at is None) == (seen.edits, seen.edited_at is None)
        return is_same_edit and there.version == seen.version

    def _write_row(self, row: SourceRow, now: datetime, generation: int | None) -> WriteResult:
        there = self._at(row.entity, row.row_id)
        item = CacheItem(row.entity, row.row_id, row.version, row.doc, row.updated_at, now, generation or 0)
        if is_too_large(attributes_of(item)):
            return WriteResult(row, WriteOutcome.TOO_LARGE, "more than 400 KB")
        self.calls += 1
        if there is None or (there.edited_at is None and _may_be_written(there, row, generation)):
            stamp = (there.generation if there else 0) if generation is None else generation
            kept = there or item
            self._put(replace(item, generation=stamp, edits=kept.edits, said_at=kept.said_at))
            return WriteResult(row, WriteOutcome.DONE)
        if generation is not None:
            self.calls += 1
            if there.generation < generation:
                self._put(replace(there, generation=generation))
        if there.version >= row.version:
            return WriteResult(row, WriteOutcome.UNCHANGED, "this version or a newer one is there")
        return WriteResult(row, WriteOutcome.EDITED, EDIT_WAITS)

    def _put(self, item: CacheItem, *, indexes: bool = False) -> None:
        there = self._at(item.entity, item.row_id)
        self._items.setdefault((item.entity, bucket_of(item.row_id)), {})[item.row_id] = item
        waits = (item.entity, item.row_id)
        if item.edited_at is None:
            self._waiting.pop(waits, None)
        elif indexes or waits in self._waiting or there is None or there.edits != item.edits:
            self._waiting[waits] = item
        self._stream(key_of(item.entity, item.row_id), attributes_of(there) if there else None, attributes_of(item))

    def _stream(self, at: Attributes, old: Attributes | None, new: Attributes | None) -> None:
        images = {name: image for name, image in (("OldImage", old), ("NewImage", new)) if image is not None}
        content = {"Keys": at, "SequenceNumber": str(next(self._sequence)), **images}
        record = {"eventSourceARN": _STREAM, "dynamodb": content}
        if not self.keep:
            self.records.append(record)
        elif change := change_in(record):
            where = (change.entity, change.bucket)
            self.kept[where] = advance(self.kept.get(where, Digest()), change)

    def _rebuild(self, entity: Entity, bucket: int) -> int:
        self.calls += 3
        at = key(partition_key(entity, bucket), MARK)
        mark: Attributes = {**at, "mark": text(f"{next(self._sequence)}")}
        self._stream(at, None, mark)
        found = [attributes_of(item) for item in self._items.get((entity, bucket), {}).values()]
        self.items_read += len(found)
        total = sum(map(hash_in, found))
        self._stream(at, mark, mark | {"total": number(total)})
        return total


def _may_be_written(there: CacheItem, row: SourceRow, generation: int | None) -> bool:
    is_same = there.version == row.version
    return there.version < row.version or (generation is not None and is_same and there.generation < generation)


def _is_refused(there: CacheItem, doc: str, edited_at: datetime) -> bool:
    if there.edited_at is None or there.edited_at < edited_at:
        return False
    return there.edited_at > edited_at or there.doc == doc


def _refuse_too_large(item: CacheItem) -> None:
    if is_too_large(attributes_of(item)):
        raise RejectedInput("an item at the edge holds at most 400 KB", status=413)
