"""The SQL of a full resync's progress."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from crm_relay.edge_cache.keys import Entity
from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


@dataclass(frozen=True)
class ResyncState:
    """How far a resync is.

    `clears` False: it only writes, as the first one does. `after_id`: the last row that was written; `next_bucket`: the
    next one to be looked at, or to be swept; `doomed`: so many items the source does not have, as far as was looked.
    """

    id: int
    entity: Entity
    generation: int
    clears: bool
    phase: Literal["write", "look", "sweep", "done", "stopped"]
    after_id: UUID | None
    next_bucket: int
    total: int
    written: int
    doomed: int
    swept: int
    ordered_by: str
    started_at: datetime
    error: str | None = None

    @property
    def is_finished(self) -> bool:
        """Nothing is left of it to be done."""
        return self.phase in {"done", "stopped"}


def running_resync(db: Queryable, entity: Entity) -> ResyncState | None:
    """The one that is not finished."""
    rows = db.run(_SQL["running_resync"], entity=entity)
    return ResyncState(**rows[0]) if rows else None


def all_running(db: Queryable) -> list[ResyncState]:
    """Of every entity."""
    return [ResyncState(**row) for row in db.run(_SQL["running_resync"], entity=None)]


def start_resync(db: Queryable, entity: Entity, *, clears: bool, total: int, ordered_by: str, now: datetime) -> None:
    """Nothing happens where one runs already."""
    db.run(_SQL["start_resync"], entity=entity, clears=clears, total=total, ordered_by=ordered_by, now=now)


def save_resync(db: Queryable, state: ResyncState, now: datetime) -> None:
    """Safe to call twice."""
    db.run(
        _SQL["save_resync"],
        id=state.id,
        phase=state.phase,
        after_id=state.after_id,
        next_bucket=state.next_bucket,
        written=state.written,
        doomed=state.doomed,
        swept=state.swept,
        error=state.error,
        now=now,
    )


def never_synced(db: Queryable) -> list[Entity]:
    """Entities that the edge never got: the first run writes them in full."""
    return [row["entity"] for row in db.run(_SQL["never_synced"])]
