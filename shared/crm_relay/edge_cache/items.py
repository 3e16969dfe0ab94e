"""How an item lies in the table: attributes there, Item here."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.edge_cache.keys import Entity, bucket_in, bucket_of, content_hash, partition_key, unsynced_key
from crm_relay.edge_cache.models import CacheItem
from crm_relay.platform.aws.dynamo import MAX_ITEM_BYTES, Attributes, item_bytes, key, number, number_in, text, text_in
from crm_relay.platform.errors import RejectedInput

TOMBSTONE_LIFE = timedelta(days=30)
"""Longer than any change can be under way."""

CONTENT = ("doc", "version", "updated_at", "written_at", "deleted", "expires_at", "gsi2pk", "gsi2sk")
WAITING = ("edited_at", "gsi1pk", "gsi1sk")
_BESIDE_THE_DOCUMENT = ("deleted", "expires_at", "gsi2pk", "gsi2sk")

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
    where = entity_and_id_in(attributes)
    if where is None:
        return None
    entity, row_id = where
    return CacheItem(
        entity=entity,
        row_id=row_id,
        version=number_in(attributes, "version", _MANGLED_VERSION),
        doc=text_in(attributes, "doc"),
        updated_at=time_in(attributes, "updated_at") or _LONG_AGO,
        written_at=time_in(attributes, "written_at") or _LONG_AGO,
        generation=number_in(attributes, "generation"),
        edits=number_in(attributes, "edits"),
        edited_at=edited_at_in(attributes),
        said_at=time_in(attributes, "said_at"),
        altered=altered_in(attributes, entity),
    )


def altered_in(attributes: Mapping[str, Any], entity: Entity) -> tuple[str, ...]:
    """Of what readers and DynamoDB go by beside the document: the names that are not as we write them with it."""
    if not attributes.keys() & set(CONTENT):
        # Of an item that is just being made, moto's stream shows the bare key.
        return ()
    doc = text_in(attributes, "doc")
    written_at = time_in(attributes, "written_at") or _LONG_AGO
    as_written = content(entity, doc, version=0, updated_at=written_at, now=written_at)
    return tuple(name for name in _BESIDE_THE_DOCUMENT if attributes.get(name) != as_written.get(name))


def entity_and_id_in(attributes: Mapping[str, Any]) -> tuple[Entity, UUID] | None:
    """None where the key is none of ours, or not where we would look for the row."""
    where = bucket_in(text_in(attributes, "pk") or "")
    row_id = row_id_in(attributes)
    if where is None or row_id is None or where[1] != bucket_of(row_id):
        return None
    return where[0], row_id


def edited_at_in(attributes: Mapping[str, Any]) -> datetime | None:
    """What waits without saying since when, as others may leave it, has waited for the longest time."""
    if not attributes.keys() & {"edited_at", "gsi1pk"}:
        return None
    return time_in(attributes, "edited_at") or time_in(attributes, "gsi1sk") or _LONG_AGO


def is_as_seen(seen: CacheItem | None, now: datetime) -> tuple[str, Attributes]:
    """The condition that an item has not changed since it was read, but for the resync that saw it; and its values.

    `seen` None: there was none, or a tombstone that has expired.
    """
    if seen is None:
        expired = "(attribute_not_exists(#doc) AND #expires_at <= :present)"
        return f"attribute_not_exists(#pk) OR {expired}", {"present": number(int(now.timestamp()))}
    conditions, values = [edits_are_as_seen(seen)], {"seen": number(seen.edits)}
    if seen.version != _MANGLED_VERSION:
        conditions.append("#version = :seen_version")
        values["seen_version"] = number(seen.version)
    if seen.edited_at is None:
        conditions.append("attribute_not_exists(#edited_at)")
    return " AND ".join(conditions), values


def edits_are_as_seen(seen: CacheItem) -> str:
    """The condition, over :seen, that nobody has edited the item since. Others may have left out their number."""
    return "#edits = :seen" if seen.edits else "(#edits = :seen OR attribute_not_exists(#edits))"


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
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def is_expired(attributes: Mapping[str, Any], now: datetime) -> bool:
    """Of tombstones: DynamoDB may take two days to delete what has expired. A row never does, whatever it holds."""
    has_passed = "expires_at" in attributes and number_in(attributes, "expires_at") <= int(now.timestamp())
    return has_passed and "doc" not in attributes


def hash_in(attributes: Mapping[str, Any]) -> int:
    """What an item adds to its bucket's digest, from what it holds, by any writer; a tombstone adds nothing."""
    item = item_of(attributes)
    return 0 if item is None else item_hash(item)


def item_hash(item: CacheItem) -> int:
    """What it adds to its bucket's digest. What others have altered adds something that no row does."""
    if item.altered:
        return content_hash(item.row_id, item.version, f"{item.doc} but for {', '.join(item.altered)}")
    return 0 if item.doc is None else content_hash(item.row_id, item.version, item.doc)


def is_too_large(at: Attributes, *parts: Attributes) -> bool:
    """Whether DynamoDB would refuse the item; counted with all that an edit may add to it later."""
    later = {"edits": number(0), "generation": number(0), "said_at": text(time_text(_LONG_AGO))}
    later |= waiting(UUID(int=0), _LONG_AGO)
    whole = {name: value for part in (later, at, *parts) for name, value in part.items()}
    return item_bytes(whole) > MAX_ITEM_BYTES


def whole(item: CacheItem) -> Attributes:
    """But for the key and the generation."""
    sets = content(item.entity, item.doc, version=item.version, updated_at=item.updated_at, now=item.written_at)
    sets |= {"edits": number(item.edits)} | ({"said_at": text(time_text(item.said_at))} if item.said_at else {})
    return sets | (waiting(item.row_id, item.edited_at) if item.edited_at else {})


def without(sets: Attributes, *kept: str) -> list[str]:
    """What an item has no longer: content that it lacks now, and the edit that waited."""
    return [name for name in (*CONTENT, *WAITING) if name not in sets and name not in kept]


def refuse_too_large(*parts: Attributes) -> None:
    """Raises RejectedInput."""
    if is_too_large(*parts):
        raise RejectedInput("an item at the edge holds at most 400 KB", status=413)
