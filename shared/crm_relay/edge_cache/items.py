"""How an item lies in the table: attributes there, Item here."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.edge_cache.keys import Entity, bucket_in, bucket_of, content_hash, partition_key, unsynced_key
from crm_relay.edge_cache.models import CacheItem
from crm_relay.platform.aws.dynamo import MAX_ITEM_BYTES, Attributes, item_bytes, key, number, number_in, text, text_in

TOMBSTONE_LIFE = timedelta(days=30)
"""Longer than any change can be under way."""

CONTENT = ("doc", "version", "updated_at", "written_at", "deleted", "expires_at", "gsi2pk", "gsi2sk")
WAITING = ("edited_at", "gsi1pk", "gsi1sk")

_LONGEST_KEY = 128
_MANGLED_VERSION = -1
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def key_of(entity: Entity, row_id: UUID) -> Attributes:
    """pk and sk."""
    return key(partition_key(entity, bucket_of(row_id)), str(row_id))


def time_text(at: datetime) -> str:
    """UTC with microseconds, always as long: sorts as time does."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def expiry_of(at: datetime) -> int:
    """When a tombstone of `at` goes, in the epoch seconds that DynamoDB's TTL wants."""
    return int((at + TOMBSTONE_LIFE).timestamp())


def content(entity: Entity, doc: str | None, *, version: int, updated_at: datetime, now: datetime) -> Attributes:
    """Those of CONTENT that the item has; the others go. `doc` None makes a tombstone."""
    common = {
        "version": number(version),
        "updated_at": text(time_text(updated_at)),
        "written_at": text(time_text(now)),
    }
    if doc is None:
        return common | {"deleted": {"BOOL": True}, "expires_at": number(expiry_of(now))}
    return common | {"doc": text(doc)} | (of_prospect(doc) if entity == "emails" else {})


def waiting(row_id: UUID, edited_at: datetime) -> Attributes:
    """What puts an item into the sparse index."""
    at = text(time_text(edited_at))
    return {"edited_at": at, "gsi1pk": text(unsynced_key(row_id)), "gsi1sk": at}


def of_prospect(doc: str) -> Attributes:
    """What puts an e-mail into the index by prospect; nothing where it has none, or no time."""
    try:
        read = json.loads(doc)
    except ValueError:
        return {}
    values = [read.get(name) for name in ("prospect_id", "created_at")] if isinstance(read, dict) else []
    texts = [value for value in values if isinstance(value, str) and 0 < len(value) <= _LONGEST_KEY]
    if len(texts) < 2:
        return {}
    return {"gsi2pk": text(f"prospect#{texts[0]}"), "gsi2sk": text(texts[1])}


def item_of(attributes: Mapping[str, Any]) -> CacheItem | None:
    """None where the key is none of ours. Others may write here too: what they mangled is read as an older version."""
    where = bucket_in(text_in(attributes, "pk") or "")
    row_id = row_id_in(attributes)
    if where is None or row_id is None:
        return None
    return CacheItem(
        entity=where[0],
        row_id=row_id,
        version=number_in(attributes, "version", _MANGLED_VERSION),
        doc=text_in(attributes, "doc"),
        updated_at=time_in(attributes, "updated_at") or _LONG_AGO,
        written_at=time_in(attributes, "written_at") or _LONG_AGO,
        generation=number_in(attributes, "generation"),
        edits=number_in(attributes, "edits"),
        edited_at=time_in(attributes, "edited_at"),
    )


def row_id_in(attributes: Mapping[str, Any]) -> UUID | None:
    """None where the sort key is not a row's id as we write it."""
    found = text_in(attributes, "sk") or ""
    try:
        row_id = UUID(found)
    except ValueError:
        return None
    return row_id if str(row_id) == found else None


def time_in(attributes: Mapping[str, Any], name: str) -> datetime | None:
    """None where it is missing or no time."""
    try:
        at = datetime.fromisoformat(text_in(attributes, name) or "")
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def is_expired(attributes: Mapping[str, Any], now: datetime) -> bool:
    """DynamoDB may take two days to delete what has expired."""
    return "expires_at" in attributes and number_in(attributes, "expires_at") <= int(now.timestamp())


def hash_in(attributes: Mapping[str, Any]) -> int:
    """What an item adds to its bucket's digest, from what it holds, by any writer; a tombstone adds nothing."""
    row_id, doc = row_id_in(attributes), text_in(attributes, "doc")
    if row_id is None or doc is None:
        return 0
    return content_hash(row_id, number_in(attributes, "version", _MANGLED_VERSION), doc)


def is_too_large(at: Attributes, *parts: Attributes) -> bool:
    """Whether DynamoDB would refuse the item; counted with all that an edit may add to it later."""
    later = {"edits": number(0), "generation": number(0)} | waiting(UUID(int=0), _LONG_AGO)
    whole = {name: value for part in (later, at, *parts) for name, value in part.items()}
    return item_bytes(whole) > MAX_ITEM_BYTES
