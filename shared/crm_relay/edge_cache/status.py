"""How both directions are: the last success, what waits, and whether that is healthy."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from crm_relay.edge_cache import store
from crm_relay.edge_cache.replication.resync_store import ResyncState, all_running
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.database import Queryable, Row

FRESH = timedelta(minutes=15)
"""The document's rule: a direction is healthy whose last success is no older than this, and …"""

FEW_PENDING = 100
"""… for which fewer than this wait."""


@dataclass(frozen=True)
class DirectionStatus:
    """One direction. `records`: those of the last run.

    `pending`: rows that wait, which may lag a little; `parked`: those of them that could not be written, with a reason.
    Not healthy while one is parked, but for a row that has stepped aside for an edit for less than 15 minutes.
    """

    direction: str
    healthy: bool
    last_success_at: datetime | None
    last_status: str | None
    last_error: str | None
    records: int
    records_24h: int
    failures_24h: int
    pending: int
    parked: int


@dataclass(frozen=True)
class SyncStatus:
    """Both directions, resyncs that run, and conflicts of the last day. `blocked`: their deletions are held back."""

    directions: tuple[DirectionStatus, ...]
    resyncs: tuple[ResyncState, ...]
    conflicts_24h: int
    blocked: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether all of it is."""
        return all(each.healthy for each in self.directions) and not self.blocked


def sync_status(db: Queryable, table: EdgeTable, now: datetime) -> SyncStatus:
    """Four statements and one look at the sparse index."""
    runs = {row["direction"]: row for row in store.last_runs(db, now)}
    backlog = store.backlog(db, now)
    waiting = {"to_cache": backlog["pending"], "to_postgres": table.count_unsynced()}
    stuck = {"to_cache": backlog["stuck_to_cache"], "to_postgres": backlog["parked_to_postgres"]}
    directions = tuple(
        _direction(name, runs.get(name, {}), pending, backlog[f"parked_{name}"], now, is_stuck=stuck[name] > 0)
        for name, pending in waiting.items()
    )
    blocked = tuple(each.entity for each in store.entities(db, now) if each.is_blocked or each.resync_stopped)
    return SyncStatus(directions, tuple(all_running(db)), backlog["conflicts_24h"], blocked)


def recent_runs(db: Queryable, *, limit: int = 50) -> list[Row]:
    """The audit trail, newest first."""
    return store.recent_runs(db, limit=limit)


def _direction(
    name: str, run: Row | dict[str, Any], pending: int, parked: int, now: datetime, *, is_stuck: bool
) -> DirectionStatus:
    last = run.get("last_success_at")
    return DirectionStatus(
        name,
        last is not None and now - last <= FRESH and pending < FEW_PENDING and not is_stuck,
        last,
        run.get("last_status"),
        run.get("last_error"),
        run.get("last_written") or 0,
        run.get("written_24h") or 0,
        run.get("failures_24h") or 0,
        pending,
        parked,
    )
