"""Where an item lies and what its content hashes to; the database's functions edge_bucket and edge_hash do the same."""

import hashlib
from typing import Literal, get_args
from uuid import UUID

Entity = Literal["prospects", "campaigns", "mailboxes", "emails"]
ENTITIES: tuple[Entity, ...] = get_args(Entity)

BUCKETS = 4096
"""So many parts has every entity; a million rows are some 250 in each."""

HIGHEST_VERSION = 10**15
"""No sequence gets there: we never wrote a version beyond it."""

UNSYNCED_SHARDS = 8
UNSYNCED_KEYS = tuple(f"UNSYNCED#{shard}" for shard in range(UNSYNCED_SHARDS))
"""All partitions of the sparse index: a burst of edits is not one hot one."""


def bucket_of(row_id: UUID) -> int:
    """The first 12 bits of the id's MD5: evenly spread, whatever the ids look like."""
    return int(hashlib.md5(str(row_id).encode(), usedforsecurity=False).hexdigest()[:3], 16)


def content_hash(row_id: UUID, version: int, doc: str) -> int:
    """60 bits: a sum of them over any number of rows stays exact in DynamoDB's 38 digits."""
    text = f"{row_id}|{version}|{doc}"
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:15], 16)


def partition_key(entity: Entity, bucket: int) -> str:
    """`prospects#0af`: one bucket is one item collection, read by one Query."""
    return f"{entity}#{bucket:03x}"


def bucket_in(partition: str) -> tuple[Entity, int] | None:
    """The way back; None for a partition that holds no rows, such as that of the digests."""
    name, _, text = partition.partition("#")
    entity = next((each for each in ENTITIES if each == name), None)
    if entity is None or len(text) != 3 or not set(text) <= set("0123456789abcdef"):
        return None
    return entity, int(text, 16)


def unsynced_key(row_id: UUID) -> str:
    """The partition of the sparse index in which an item waits to be written to PostgreSQL."""
    return UNSYNCED_KEYS[bucket_of(row_id) % UNSYNCED_SHARDS]
