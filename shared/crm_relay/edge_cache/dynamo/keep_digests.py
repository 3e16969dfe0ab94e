"""Keeps the digests by what DynamoDB Streams tell: each change once, however often it is brought."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crm_relay.edge_cache.dynamo.digests import CHUNK, DigestChange, DigestStore, advance_all, change_in
from crm_relay.edge_cache.keys import Entity
from crm_relay.platform.errors import TransientError
from crm_relay.platform.logging import logger

_TRIES = 5


def keep_digests(digests: DigestStore, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sequence numbers of the first record of each chunk that could not be brought up to date; empty where all were.

    Everything from the lowest of them on may be brought again, whole or in pieces: what has been applied is known.
    """
    failed = []
    for (entity, chunk), changes in _by_chunk(records).items():
        try:
            _keep_chunk(digests, entity, chunk, changes)
        except TransientError as error:
            logger().warning("digests stay behind", entity=entity, chunk=chunk, reason=str(error))
            failed.append(str(changes[0].position.sequence))
    return failed


def _by_chunk(records: Iterable[Mapping[str, Any]]) -> dict[tuple[Entity, int], list[DigestChange]]:
    found: dict[tuple[Entity, int], list[DigestChange]] = {}
    for change in filter(None, map(change_in, records)):
        found.setdefault((change.entity, change.bucket // CHUNK), []).append(change)
    return found


def _keep_chunk(digests: DigestStore, entity: Entity, chunk: int, changes: Sequence[DigestChange]) -> None:
    for _ in range(_TRIES):
        before = digests.read_chunk(entity, chunk)
        after = advance_all(before, changes)
        if not after or digests.write_chunk(entity, before, after):
            return
    # Another shard writes to the same chunk all the time.
    raise TransientError("the digests were changed by others in every try")
