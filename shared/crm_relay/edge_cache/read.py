"""What edge workers read: a row and its age; one that is too old is fetched from PostgreSQL."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.store import source_rows
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import FatalError, TransientError

LAST_CONFIRMED = "to_cache_confirmed_at"
"""Name of the mark in the table's configuration: until then every change of every table was passed on."""


def mark_of(entity: Entity) -> str:
    """Name of the mark of one table: held-back deletions of another one leave it alone."""
    return f"{LAST_CONFIRMED}_{entity}"


def confirmed_at(config: Mapping[str, str], entity: Entity) -> datetime | None:
    """Until when every change of the table was passed on. Tables filled by an earlier release share one mark."""
    mark = config.get(mark_of(entity)) or config.get(LAST_CONFIRMED)
    return datetime.fromisoformat(mark) if mark else None


@dataclass(frozen=True)
class Read:
    """`age`: for how long PostgreSQL may have said something else; None where that is not known."""

    content: dict[str, Any] | None
    age: timedelta | None
    came_from: str


def read_row(
    table: EdgeTable,
    entity: Entity,
    row_id: UUID,
    now: datetime,
    *,
    db: Queryable | None = None,
    stale_after: timedelta = timedelta(minutes=30),
) -> Read:
    """The row as the edge has it. Past `stale_after` PostgreSQL is asked, where `db` is given and answers.

    `content` None: there is no such row, or it was deleted, or others wrote what is no document. An edit that was made
    at the edge has no age.
    """
    item = table.get(entity, [row_id]).get(row_id)
    age = _age(item, confirmed_at(table.get_config(), entity), now)
    if db is not None and (age is None or age > stale_after):
        try:
            row = source_rows(db, [CacheItem(entity, row_id, 0, None, now, now)]).get(row_id)
            return Read(_content(None if row is None else row.doc), timedelta(0), "postgres")
        except (TransientError, FatalError):
            # Old is better than nothing, and it says how old it is.
            pass
    return Read(_content(None if item is None else item.doc), age, "edge")


def _age(item: CacheItem | None, confirmed: datetime | None, now: datetime) -> timedelta | None:
    if item is not None and item.edited_at is not None:
        return timedelta(0)
    return now - confirmed if confirmed else None


def _content(doc: str | None) -> dict[str, Any] | None:
    try:
        content = json.loads(doc or "null")
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
