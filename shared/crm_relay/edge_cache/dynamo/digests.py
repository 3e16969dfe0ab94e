"""The rule by which a bucket's digest follows the changes of its items: pure, and safe against replays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from crm_relay.edge_cache.items import hash_in
from crm_relay.edge_cache.keys import BUCKETS, Entity, bucket_in
from crm_relay.platform.aws.dynamo import number_in, text_in

CHUNK = 64
"""So many buckets stand in one item: 64 of these are all digests of an entity."""

CHUNKS = BUCKETS // CHUNK

MARK = "~mark"
"""Sort key of the item by which a bucket's digest is set right; behind every row, and no row itself."""


@dataclass(frozen=True, order=True)
class Position:
    """A place in the changes of a bucket. `stream` is its label, a time: a later stream's numbers may begin again."""

    stream: str
    sequence: int


@dataclass(frozen=True)
class Digest:
    """Of one bucket. `position` None: no change was applied yet.

    `mark` is that of a rebuild which has begun, as long as no change has come since.
    """

    total: int = 0
    position: Position | None = None
    mark: str | None = None


@dataclass(frozen=True)
class DigestChange:
    """What one record of the stream means for its bucket: more or less in the sum, or a mark.

    A mark without `total` begins a rebuild: all items of the bucket are read after it. One with `total` ends it.
    """

    entity: Entity
    bucket: int
    position: Position
    delta: int = 0
    mark: str | None = None
    total: int | None = None


class DigestStore(Protocol):
    """Where the digests stand, CHUNK buckets to an item."""

    def read_chunk(self, entity: Entity, chunk: int) -> Mapping[int, Digest]:
        """Bucket -> digest, consistently; what has none yet is left out."""

    def write_chunk(self, entity: Entity, before: Mapping[int, Digest], after: Mapping[int, Digest]) -> bool:
        """Buckets of one chunk; False where one is not at the position of `before` any more, and so was not written."""


def change_in(record: Mapping[str, Any]) -> DigestChange | None:
    """What a record of DynamoDB Streams says; None for one that leaves every digest as it is.

    Both images are hashed from what they hold, so an edit made by others counts too.
    """
    content = record["dynamodb"]
    where = bucket_in(text_in(content["Keys"], "pk") or "")
    if where is None:
        return None
    label = str(record.get("eventSourceARN", "")).rpartition("/")[2]
    change = DigestChange(*where, Position(label, int(content["SequenceNumber"])))
    new, old = content.get("NewImage", {}), content.get("OldImage", {})
    if text_in(content["Keys"], "sk") == MARK:
        return _mark(change, new)
    delta = hash_in(new) - hash_in(old)
    return replace(change, delta=delta) if delta else None


def _mark(change: DigestChange, image: Mapping[str, Any]) -> DigestChange | None:
    name = text_in(image, "mark")
    total = number_in(image, "total") if "total" in image else None
    return replace(change, mark=name, total=total) if name else None


def advance(digest: Digest, change: DigestChange) -> Digest:
    """The digest after the change; as it was where that has been applied already.

    All changes of a bucket come in one order, so whatever is not behind the last one applied is a replay. The sum of a
    rebuild is taken over only if nothing changed between its marks: then what was read is its state at the second.
    """
    if digest.position is not None and change.position <= digest.position:
        return digest
    at = replace(digest, position=change.position)
    if change.mark is None:
        return replace(at, total=digest.total + change.delta, mark=None)
    if change.total is None:
        return replace(at, mark=change.mark)
    return replace(at, total=change.total, mark=None) if digest.mark == change.mark else at


def advance_all(digests: Mapping[int, Digest], changes: Iterable[DigestChange]) -> dict[int, Digest]:
    """Only those that moved."""
    after = dict(digests)
    for change in changes:
        after[change.bucket] = advance(after.get(change.bucket, Digest()), change)
    return {bucket: digest for bucket, digest in after.items() if digest != digests.get(bucket)}
