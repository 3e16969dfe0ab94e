"""The cache's table in DynamoDB."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import UUID

from crm_relay.edge_cache.dynamo.dynamo_digests import DynamoDigests
from crm_relay.edge_cache.dynamo.late_edits import LateEdits
from crm_relay.edge_cache.items import (
    content,
    edits_are_as_seen,
    hash_in,
    is_as_seen,
    is_expired,
    is_too_large,
    item_of,
    key_of,
    refuse_too_large,
    time_text,
    waiting,
    whole,
    without,
)
from crm_relay.edge_cache.keys import BUCKETS, UNSYNCED_KEYS, Entity, bucket_of, partition_key
from crm_relay.edge_cache.models import EDIT_WAITS, CacheItem, LateEdit, SourceRow, WriteOutcome, WriteResult
from crm_relay.platform.aws.dynamo import (
    Attributes,
    ConditionFailed,
    RequestRefused,
    Table,
    Update,
    key,
    number,
    number_in,
    side_by_side,
    text,
    text_in,
)
from crm_relay.platform.clock import Clock, utc_now
from crm_relay.platform.errors import OF_ONE_ROW, TransientError, describe_error

_IS_OLDER = "(attribute_not_exists(#version) OR #version < :version)"
_IS_NOT_STAMPED = "(attribute_not_exists(#generation) OR #generation < :generation)"
_IS_OLDER_OR_NOT_STAMPED = f"({_IS_OLDER} OR (#version = :version AND {_IS_NOT_STAMPED}))"
_DOES_NOT_WAIT = "attribute_not_exists(#edited_at)"
_IS_LATER = "(attribute_not_exists(#edited_at) OR #edited_at < :at OR (#edited_at = :at AND #doc <> :doc))"
_IS_TO_BE_SETTLED = "(attribute_exists(#edited_at) OR attribute_exists(#gsi1pk) OR #version < :version)"
_ROWS = "pk = :pk AND sk < :end"
# A row's id is hex and dashes; what else lies in its partition begins with something later.
_END_OF_ROWS = "g"
_CONFIG = key("config", "config")
_NAMED = "c_"
_BUCKETS_A_PAGE = 16


class DynamoTable:
    """An EdgeTable; the items are as docs/edge-cache.md has them. `clock` tells what has expired."""

    def __init__(self, table_name: str, *, clock: Clock = utc_now) -> None:
        self._table = Table(table_name)
        self._digests = DynamoDigests(self._table)
        self._late = LateEdits(self._table)
        self._clock = clock
        self._is_large = False

    @property
    def calls(self) -> int:
        """Requests so far, those included that were throttled."""
        return self._table.calls

    @property
    def items_read(self) -> int:
        """Items so far."""
        return self._table.items_read

    def write(self, rows: Sequence[SourceRow], *, now: datetime, generation: int | None = None) -> list[WriteResult]:
        """See EdgeTable."""
        return side_by_side(partial(self._write_or_say_why, now=now, generation=generation), rows)

    def get(self, entity: Entity, row_ids: Sequence[UUID]) -> dict[UUID, CacheItem]:
        """See EdgeTable."""
        keys = [key_of(entity, row_id) for row_id in dict.fromkeys(row_ids)]
        return {item.row_id: item for item in self._items(self._table.get_many(keys))}

    def bucket(self, entity: Entity, bucket: int) -> list[CacheItem]:
        """See EdgeTable."""
        return self._items(self._rows(entity, bucket))

    def edit(self, entity: Entity, row_id: UUID, doc: str, *, edited_at: datetime) -> CacheItem:
        """See EdgeTable."""
        at = text(time_text(edited_at))
        sets = content(entity, doc, version=0, updated_at=edited_at, now=edited_at)
        sets |= {"said_at": at} | waiting(row_id, edited_at)
        base = {"version": sets.pop("version"), "updated_at": sets.pop("updated_at")}
        refuse_too_large(key_of(entity, row_id), base, sets)
        computed = {name: f"if_not_exists(#{name}, :{name})" for name in base} | _ONE_MORE_EDIT
        update = Update(sets, computed, without(sets, *base))
        values = base | _ONE_MORE | {"at": at}
        try:
            found = self._table.update(key_of(entity, row_id), update, condition=_IS_LATER, values=values)
        except ConditionFailed as failed:
            found = failed.item or {}
        # Gone since it was in the way: nothing is now.
        return item_of(found) or self.edit(entity, row_id, doc, edited_at=edited_at)

    def record(self, seen: CacheItem | None, after: CacheItem) -> bool:
        """See EdgeTable."""
        sets = whole(after)
        refuse_too_large(key_of(after.entity, after.row_id), sets)
        return self._over_what_was_seen(seen, key_of(after.entity, after.row_id), sets)

    def keep_late(self, edit: LateEdit) -> None:
        """See EdgeTable."""
        self._late.keep(edit)

    def late_edits(self, *, limit: int) -> list[LateEdit]:
        """See EdgeTable."""
        return self._late.oldest(limit)

    def forget_late(self, edits: Sequence[LateEdit]) -> None:
        """See EdgeTable."""
        self._late.forget(edits)

    def unsynced(self, *, limit: int) -> list[CacheItem]:
        """See EdgeTable."""
        shards = side_by_side(partial(self._waiting, limit=limit), UNSYNCED_KEYS)
        found = [each for shard in shards for each in shard]
        oldest = sorted(found, key=lambda each: str(each["gsi1sk"]["S"]))[:limit]
        items = self._items(self._table.get_many([{"pk": each["pk"], "sk": each["sk"]} for each in oldest]))
        return sorted((item for item in items if item.edited_at), key=lambda item: (item.edited_at, item.row_id))

    def count_unsynced(self, *, older_than: datetime | None = None) -> int:
        """See EdgeTable."""
        condition = "gsi1pk = :shard" if older_than is None else "gsi1pk = :shard AND gsi1sk < :at"
        at = {} if older_than is None else {"at": time_text(older_than)}
        return sum(self._table.count(condition, {"shard": shard} | at, index="unsynced") for shard in UNSYNCED_KEYS)

    def settle(self, seen: CacheItem, *, version: int, doc: str | None, updated_at: datetime, now: datetime) -> bool:
        """See EdgeTable."""
        at = key_of(seen.entity, seen.row_id)
        sets = content(seen.entity, doc, version=version, updated_at=updated_at, now=now)
        refuse_too_large(at, sets)
        update = Update(sets, removes=without(sets))
        try:
            condition = f"{edits_are_as_seen(seen)} AND {_IS_TO_BE_SETTLED}"
            self._table.update(at, update, condition=condition, values={"seen": number(seen.edits)})
        except ConditionFailed as failed:
            there = failed.item or {}
            return bool(there) and number_in(there, "edits") == seen.edits
        return True

    def park(self, seen: CacheItem) -> None:
        """See EdgeTable."""
        leave = Update(removes=("gsi1pk", "gsi1sk"))
        condition = f"{edits_are_as_seen(seen)} AND (attribute_exists(#edited_at) OR attribute_exists(#gsi1pk))"
        with suppress(ConditionFailed):
            at = key_of(seen.entity, seen.row_id)
            self._table.update(at, leave, condition=condition, values={"seen": number(seen.edits)})

    def restore(self, entity: Entity, row_id: UUID, item: CacheItem | None, *, now: datetime) -> None:
        """See EdgeTable."""
        if item is None:
            self._table.delete(key_of(entity, row_id))
            return
        sets = content(entity, item.doc, version=item.version, updated_at=item.updated_at, now=now)
        sets |= {"generation": number(item.generation)}
        sets |= waiting(row_id, item.edited_at) if item.edited_at else {}
        self._table.update(key_of(entity, row_id), Update(sets, _ONE_MORE_EDIT, without(sets)), values=_ONE_MORE)

    def put_back(
        self, entity: Entity, row_id: UUID, item: CacheItem | None, *, seen: CacheItem | None, now: datetime
    ) -> bool:
        """See EdgeTable."""
        at = key_of(entity, row_id)
        if item is not None:
            after = replace(item, edits=1 + (seen.edits if seen else 0), written_at=now)
            return self._over_what_was_seen(seen, at, whole(after) | {"generation": number(item.generation)})
        if seen is None:
            return not self._table.get_many([at])
        condition, values = is_as_seen(seen, self._clock())
        try:
            self._table.delete(at, condition=condition, values=values)
        except ConditionFailed as failed:
            return failed.item is None
        return True

    def digests(self, entity: Entity) -> Mapping[int, int]:
        """See EdgeTable."""
        return self._digests.totals(entity)

    def rebuild_digests(self, entity: Entity, buckets: Sequence[int], *, now: datetime) -> Mapping[int, int]:
        """See EdgeTable."""
        return dict(zip(buckets, side_by_side(partial(self._rebuild, entity, now=now), buckets), strict=True))

    def every_item(self, entity: Entity, buckets: range = range(BUCKETS)) -> Iterator[list[CacheItem]]:
        """Bucket by bucket instead of a Scan, which would pay for the other entities too; a small table at once."""
        if (small := self._all_if_small()) is not None:
            rows = [row for row in small if str(row["pk"]["S"]).startswith(f"{entity}#")]
            page = [item for item in self._items(rows) if bucket_of(item.row_id) in buckets]
            if page:
                yield page
            return
        for first in range(0, len(buckets), _BUCKETS_A_PAGE):
            some = buckets[first : first + _BUCKETS_A_PAGE]
            page = [item for found in side_by_side(partial(self.bucket, entity), some) for item in found]
            if page:
                yield page

    def everything(self) -> Iterator[list[Attributes]]:
        """See EdgeTable."""
        return self._table.scan()

    def get_config(self) -> dict[str, str]:
        """See EdgeTable."""
        found = self._table.get_many([_CONFIG])
        names = [name for item in found for name in item if name.startswith(_NAMED)]
        return {name.removeprefix(_NAMED): text_in(found[0], name) or "" for name in names}

    def set_config(self, values: Mapping[str, str]) -> None:
        """See EdgeTable."""
        if values:
            self._table.update(_CONFIG, Update({f"{_NAMED}{name}": text(value) for name, value in values.items()}))

    def _all_if_small(self) -> list[Attributes] | None:
        """Asked once of a large table: 4,096 queries are nothing beside a million rows, and much beside fifty."""
        found = None if self._is_large else self._table.all_if_small()
        self._is_large = found is None
        return found

    def _write_or_say_why(self, row: SourceRow, *, now: datetime, generation: int | None) -> WriteResult:
        try:
            return self._write_row(row, now=now, generation=generation)
        except (TransientError, RequestRefused, *OF_ONE_ROW) as error:
            return WriteResult(row, WriteOutcome.FAILED, describe_error(error))

    def _write_row(self, row: SourceRow, *, now: datetime, generation: int | None) -> WriteResult:
        at = key_of(row.entity, row.row_id)
        sets = content(row.entity, row.doc, version=row.version, updated_at=row.updated_at, now=now)
        stamp = {} if generation is None else {"generation": number(generation)}
        if is_too_large(at, sets):
            return WriteResult(row, WriteOutcome.TOO_LARGE, "more than 400 KB")
        may = _IS_OLDER if generation is None else _IS_OLDER_OR_NOT_STAMPED
        try:
            self._table.update(at, Update(sets | stamp, removes=without(sets)), condition=f"{may} AND {_DOES_NOT_WAIT}")
        except ConditionFailed as failed:
            return self._left_as_it_is(row, failed.item or {}, stamp)
        return WriteResult(row, WriteOutcome.DONE)

    def _left_as_it_is(self, row: SourceRow, there: Attributes, stamp: Attributes) -> WriteResult:
        if stamp:
            self._stamp(row, stamp)
        if number_in(there, "version") >= row.version:
            return WriteResult(row, WriteOutcome.UNCHANGED, "this version or a newer one is there")
        if "edited_at" in there:
            return WriteResult(row, WriteOutcome.EDITED, EDIT_WAITS)
        return WriteResult(row, WriteOutcome.FAILED, "the item changed meanwhile")

    def _stamp(self, row: SourceRow, stamp: Attributes) -> None:
        """Seen by a resync though not written by it: or the sweep would take it."""
        condition = f"attribute_exists(#pk) AND {_IS_NOT_STAMPED}"
        with suppress(ConditionFailed):
            self._table.update(key_of(row.entity, row.row_id), Update(stamp), condition=condition)

    def _over_what_was_seen(self, seen: CacheItem | None, at: Attributes, sets: Attributes) -> bool:
        condition, values = is_as_seen(seen, self._clock())
        try:
            self._table.update(at, Update(sets, removes=without(sets)), condition=condition, values=values)
        except ConditionFailed:
            return False
        return True

    def _rows(self, entity: Entity, bucket: int) -> list[Attributes]:
        values = {"pk": partition_key(entity, bucket), "end": _END_OF_ROWS}
        return [item for page in self._table.query(_ROWS, values) for item in page]

    def _items(self, found: Sequence[Attributes]) -> list[CacheItem]:
        now = self._clock()
        return [item for each in found if not is_expired(each, now) and (item := item_of(each))]

    def _waiting(self, shard: str, *, limit: int) -> list[Attributes]:
        found: list[Attributes] = []
        for page in self._table.query("gsi1pk = :shard", {"shard": shard}, index="unsynced", page_size=limit):
            found += [each for each in page if item_of(each)]
            if len(found) >= limit:
                break
        return found[:limit]

    def _rebuild(self, entity: Entity, bucket: int, *, now: datetime) -> int:
        mark = self._digests.begin_rebuild(entity, bucket, now)
        total = sum(map(hash_in, self._rows(entity, bucket)))
        self._digests.end_rebuild(entity, bucket, mark, total, now)
        return total


_ONE_MORE_EDIT = {"edits": "if_not_exists(#edits, :none) + :one"}
_ONE_MORE = {"none": number(0), "one": number(1)}
