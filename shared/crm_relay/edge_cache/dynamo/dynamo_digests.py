"""The digests in DynamoDB: an item for 64 buckets, and marks among the rows by which a digest is set right."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from crm_relay.edge_cache.dynamo.digests import CHUNK, MARK, Digest, Position
from crm_relay.edge_cache.keys import Entity, partition_key
from crm_relay.platform.aws.dynamo import (
    Attributes,
    ConditionFailed,
    Table,
    Update,
    key,
    number,
    number_in,
    text,
    text_in,
)

_MARK_LIFE = timedelta(days=1)
# An expression may have 4 KB and 300 operators.
_BUCKETS_AN_UPDATE = 32


class DynamoDigests:
    """A DigestStore. Of bucket 0af `s0af` is the sum, `q0af` the position of the last change, `m0af` a mark."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read_chunk(self, entity: Entity, chunk: int) -> Mapping[int, Digest]:
        """Raises TransientError, FatalError."""
        found = self._table.get_many([_key(entity, chunk)])
        return _digests(found[0]) if found else {}

    def write_chunk(self, entity: Entity, before: Mapping[int, Digest], after: Mapping[int, Digest]) -> bool:
        """Raises TransientError, FatalError."""
        buckets = list(after)
        parts = [buckets[first : first + _BUCKETS_AN_UPDATE] for first in range(0, len(buckets), _BUCKETS_AN_UPDATE)]
        return all(self._write(entity, before, {bucket: after[bucket] for bucket in part}) for part in parts)

    def _write(self, entity: Entity, before: Mapping[int, Digest], after: Mapping[int, Digest]) -> bool:
        sets: Attributes = {}
        values: Attributes = {}
        conditions = []
        for bucket, digest in after.items():
            sets |= {f"s{bucket:03x}": number(digest.total)} | _position(bucket, digest)
            sets |= {f"m{bucket:03x}": text(digest.mark)} if digest.mark else {}
            conditions.append(_condition(bucket, before.get(bucket)))
            values |= _was(bucket, before.get(bucket))
        update = Update(sets, removes=[f"m{bucket:03x}" for bucket, digest in after.items() if not digest.mark])
        at = _key(entity, next(iter(after)) // CHUNK)
        try:
            self._table.update(at, update, condition=" AND ".join(conditions), values=values)
        except ConditionFailed:
            return False
        return True

    def totals(self, entity: Entity) -> dict[int, int]:
        """Bucket -> sum, for all that are not empty."""
        pages = self._table.query("pk = :pk", {"pk": f"digest#{entity}"})
        found = [_digests(item) for page in pages for item in page]
        return {bucket: digest.total for chunk in found for bucket, digest in chunk.items() if digest.total}

    def begin_rebuild(self, entity: Entity, bucket: int, now: datetime) -> str:
        """The mark, which the stream brings after every change made so far. The bucket is to be read after it."""
        mark = secrets.token_hex(8)
        self._put_mark(entity, bucket, mark, None, now)
        return mark

    def end_rebuild(self, entity: Entity, bucket: int, mark: str, total: int, now: datetime) -> None:
        """`total` becomes the sum once the stream brings this, unless the bucket has changed since `mark`."""
        self._put_mark(entity, bucket, mark, total, now)

    def _put_mark(self, entity: Entity, bucket: int, mark: str, total: int | None, now: datetime) -> None:
        expires = int((now + _MARK_LIFE).timestamp())
        sets = {"mark": text(mark), "expires_at": number(expires)}
        end = {} if total is None else {"total": number(total)}
        removes = ["total"] if total is None else []
        self._table.update(key(partition_key(entity, bucket), MARK), Update(sets | end, removes=removes))


def _key(entity: Entity, chunk: int) -> Attributes:
    return key(f"digest#{entity}", f"{chunk:02x}")


def _digests(item: Attributes) -> dict[int, Digest]:
    buckets = [int(name[1:], 16) for name in item if name.startswith("q")]
    return {bucket: _digest(item, f"{bucket:03x}") for bucket in buckets}


def _digest(item: Attributes, bucket: str) -> Digest:
    stream, _, sequence = (text_in(item, f"q{bucket}") or "").rpartition(" ")
    return Digest(number_in(item, f"s{bucket}"), Position(stream, int(sequence)), text_in(item, f"m{bucket}"))


def _position(bucket: int, digest: Digest) -> Attributes:
    assert digest.position is not None  # noqa: S101 - what was advanced has one
    return {f"q{bucket:03x}": text(f"{digest.position.stream} {digest.position.sequence}")}


def _condition(bucket: int, was: Digest | None) -> str:
    name = f"q{bucket:03x}"
    return f"attribute_not_exists(#{name})" if was is None else f"#{name} = :was{bucket:03x}"


def _was(bucket: int, was: Digest | None) -> Attributes:
    return {} if was is None else {f"was{bucket:03x}": _position(bucket, was)[f"q{bucket:03x}"]}
