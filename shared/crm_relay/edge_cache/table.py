"""What the room asks of the cache's table. DynamoDB answers it, and in tests and benches a twin in memory."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from crm_relay.edge_cache.keys import BUCKETS, Entity
from crm_relay.edge_cache.models import CacheItem, LateEdit, SourceRow, WriteResult
from crm_relay.platform.aws.dynamo import Attributes


class EdgeTable(Protocol):
    """Every method raises TransientError or FatalError as platform.dynamo does. Reads leave out what has expired."""

    @property
    def calls(self) -> int:
        """Requests to the store so far: what a bench counts."""

    @property
    def items_read(self) -> int:
        """Items that reads have paid for so far."""

    def write(self, rows: Sequence[SourceRow], *, now: datetime, generation: int | None = None) -> list[WriteResult]:
        """Each row only over an older version and never over an edit that waits; one call a row, side by side.

        A deleted row leaves a tombstone that expires after 30 days, so that a late update cannot bring it back. With
        `generation` an item of the same version is stamped too (DONE), also a tombstone that an earlier sweep left; one
        that is newer or that waits keeps its content and is stamped by a second call. In the order of `rows`.
        """

    def get(self, entity: Entity, row_ids: Sequence[UUID]) -> dict[UUID, CacheItem]:
        """Those that are there, tombstones included, read consistently."""

    def bucket(self, entity: Entity, bucket: int) -> list[CacheItem]:
        """All items of a bucket, tombstones included, by id; read consistently, however many pages it takes."""

    def edit(self, entity: Entity, row_id: UUID, doc: str, *, edited_at: datetime) -> CacheItem:
        """An edit made at the edge: it waits in the sparse index until PostgreSQL has it. `doc` is canonical JSON.

        An edit that is older than the one that waits, or the same once more, changes nothing: the item is returned as
        it is. `version` and `updated_at` stay those of what was last agreed on. Raises RejectedInput for one over
        400 KB.
        """

    def record(self, seen: CacheItem | None, after: CacheItem) -> bool:
        """`after`, with its edit where one waits, takes the place of `seen`. `generation` stays what it is.

        False where the item is not as it was seen (None: there was none): nothing was changed. Raises RejectedInput for
        one over 400 KB.
        """

    def keep_late(self, edit: LateEdit) -> None:
        """Keep an edit that was overtaken until it is logged. Safe to call twice. Raises RejectedInput over 400 KB."""

    def late_edits(self, *, limit: int) -> list[LateEdit]:
        """Those that are kept, oldest first."""

    def forget_late(self, edits: Sequence[LateEdit]) -> None:
        """They are logged. Safe to call twice."""

    def unsynced(self, *, limit: int) -> list[CacheItem]:
        """Items whose edits wait, oldest first. The index that finds them lags a little; the items are read again.

        What others left in the index and is no item of ours takes up none of `limit`.
        """

    def count_unsynced(self, *, older_than: datetime | None = None) -> int:
        """How many wait."""

    def settle(self, seen: CacheItem, *, version: int, doc: str | None, updated_at: datetime, now: datetime) -> bool:
        """The edit in `seen` was dealt with: the item becomes this, and leaves the sparse index.

        False where another edit was made since `seen` was read, or the item is gone: nothing was changed, and an edit
        that waits goes on waiting. Settled once already, by this version or a newer one, is True: safe to call twice.
        Raises RejectedInput for a `doc` over 400 KB.
        """

    def park(self, seen: CacheItem) -> None:
        """The edit in `seen` cannot be dealt with: it leaves the sparse index and waits for the next edit.

        Nothing happens where another edit was made since. `write` goes on saying EDITED.
        """

    def restore(self, entity: Entity, row_id: UUID, item: CacheItem | None, *, now: datetime) -> None:
        """Put an item back as it was, whatever is there now; None removes it. For undoing a fix.

        It counts as one more edit, so that a push of what was there before does not settle it.
        """

    def put_back(
        self, entity: Entity, row_id: UUID, item: CacheItem | None, *, seen: CacheItem | None, now: datetime
    ) -> bool:
        """The same, but only over what was seen; False: something else stands there by now, and stays."""

    def digests(self, entity: Entity) -> Mapping[int, int]:
        """Bucket -> sum of the content hashes of its items, as kept by the stream; an empty bucket is left out."""

    def rebuild_digests(self, entity: Entity, buckets: Sequence[int], *, now: datetime) -> Mapping[int, int]:
        """Reads these buckets and has their digests set right; the sums. For the nightly check and after a lost stream.

        The new sum takes the same way as the changes, through the stream, and counts once it arrives: only so does it
        meet none that is still under way. A bucket that changes while it is read keeps the sum that it has.
        """

    def every_item(self, entity: Entity, buckets: range = range(BUCKETS)) -> Iterator[list[CacheItem]]:
        """All items in pages, for the nightly deep check; `buckets` are those that are left of one that was cut off."""

    def everything(self) -> Iterator[list[Attributes]]:
        """Whatever lies in the table, as it lies there: mangled and foreign items, and those that have expired."""

    def get_config(self) -> dict[str, str]:
        """Marks of the last runs, and settings that edge code reads; names (letters, digits, _) to texts."""

    def set_config(self, values: Mapping[str, str]) -> None:
        """Set these names; the others stay."""
