"""Items of the cache, and what becomes of writing them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from crm_relay.edge_cache.keys import Entity


@dataclass(frozen=True)
class SourceRow:
    """A row as it shall stand at the edge. `doc` None: it was deleted, and a tombstone says so.

    `edge_base` is set while the row is just as an edit from the edge made it: the version of the item that was edited.
    """

    entity: Entity
    row_id: UUID
    version: int
    updated_at: datetime
    doc: str | None
    edge_base: int | None = None


@dataclass(frozen=True)
class CacheItem:
    """What stands at the edge.

    `version` is that of the row in PostgreSQL whose content was last agreed on, 0 for one that PostgreSQL never had.
    `edited_at` is set while an edit that was made at the edge waits for PostgreSQL; `edits` counts all of them, so that
    an edit made during a push is not taken for the one that was pushed. `doc` None: a tombstone. `generation` is that
    of the last full resync that saw it. `said_at` is the time of the latest edit that was heard, decided or not: an
    older one comes late. `altered` names attributes that others have changed: such as `expires_at`, by which DynamoDB
    would delete a row that is there.
    """

    entity: Entity
    row_id: UUID
    version: int
    doc: str | None
    updated_at: datetime
    written_at: datetime
    generation: int = 0
    edits: int = 0
    edited_at: datetime | None = None
    said_at: datetime | None = field(default=None, compare=False)
    altered: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class LateEdit:
    """An edit that a later one had overtaken before it came: kept at the edge until it is logged as a conflict."""

    entity: Entity
    row_id: UUID
    doc: str
    edited_at: datetime


class WriteOutcome(StrEnum):
    """What became of one conditional write."""

    DONE = "done"
    UNCHANGED = "unchanged"
    """The item has this version or a newer one already: a replay, or an older change that came late."""

    EDITED = "edited"
    """An edit made at the edge waits there: who wins is decided when it is read."""

    TOO_LARGE = "too_large"
    """More than DynamoDB takes for one item (400 KB)."""

    FAILED = "failed"
    """It may work later."""


EDIT_WAITS = "an edit waits"
"""The reason of EDITED: the row comes again once the edit is decided."""


@dataclass(frozen=True)
class WriteResult:
    """`reason` only where it was not done; it never quotes the content."""

    row: SourceRow
    outcome: WriteOutcome
    reason: str | None = None
