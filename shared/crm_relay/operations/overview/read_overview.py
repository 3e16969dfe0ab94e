"""Everything that the operator's page shows, put together from the rooms; a constant number of statements."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar, get_args

from crm_relay.edge_cache.absent import is_absent
from crm_relay.edge_cache.keys import BUCKETS
from crm_relay.edge_cache.replication.conflicts import list_conflicts
from crm_relay.edge_cache.status import recent_runs, sync_status
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.mail.models import Mode
from crm_relay.mail.modes.mail_mode import MailMode, mail_mode
from crm_relay.mail.stops.stop_sending import SendingStop, sending_stops
from crm_relay.operations.overview import store
from crm_relay.operations.overview.integrity_view import integrity
from crm_relay.operations.overview.models import (
    CacheRun,
    Conflict,
    DeadLetters,
    Integrity,
    MauticRun,
    OpenIncident,
    ProviderDay,
    ResyncProgress,
    Status,
    WorkspaceShown,
)
from crm_relay.operations.overview.outstanding import Outstanding, outstanding
from crm_relay.operations.rooms import ROOMS, RoomName
from crm_relay.operations.views.ahead import Ahead, ahead
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.http.callers import Caller

ROWS = 50
"""So many of the newest are shown of every list."""

TREND_DAYS = 30
_WORKSPACES = 500
_WRITING = 90.0
"""Percent of a resync that is writing; the rest is the sweep."""


Part = Literal[
    "status",
    "runs",
    "mautic_runs",
    "workspaces",
    "provider_days",
    "conflicts",
    "integrity",
    "incidents",
    "dead_letters",
    "ahead",
]
PARTS: frozenset[str] = frozenset(get_args(Part))

_Shown = TypeVar("_Shown")


@dataclass(frozen=True)
class Overview:
    """GET /api/dashboard: one request fills a view. A part that was not asked for is None.

    What the head of the page says is in every answer: `caller`, `role`, `outstanding` and `sending_stops`.
    """

    caller: str
    role: str
    checked_at: datetime
    outstanding: Outstanding
    sending_stops: list[SendingStop]
    mail_mode: MailMode
    status: Status | None
    runs: list[CacheRun] | None
    mautic_runs: list[MauticRun] | None
    workspaces: list[WorkspaceShown] | None
    provider_days: list[ProviderDay] | None
    conflicts: list[Conflict] | None
    integrity: Integrity | None
    incidents: list[OpenIncident] | None
    dead_letters: DeadLetters | None
    ahead: Ahead | None


def overview(
    db: Queryable,
    table: EdgeTable,
    caller: Caller,
    now: datetime,
    installed: Sequence[RoomName] = ROOMS,
    *,
    send_mode: Mode = Mode.DRY_RUN,
    parts: Collection[str] = PARTS,
) -> Overview:
    """`send_mode`: SEND_MODE, which is shown before the first run. Raises as the database and the table do."""

    def wanted(part: Part, read: Callable[[], _Shown]) -> _Shown | None:
        return read() if part in parts else None

    return Overview(
        caller.name,
        caller.role.name.lower(),
        now,
        outstanding(db, now),
        sending_stops(db),
        mail_mode(db, send_mode),
        wanted("status", lambda: status(db, table, now, installed)),
        wanted("runs", lambda: runs(db)),
        wanted("mautic_runs", lambda: store.mautic_runs(db, limit=ROWS)),
        wanted("workspaces", lambda: workspaces(db, now)),
        wanted("provider_days", lambda: provider_days(db, now)),
        wanted("conflicts", lambda: conflicts(db)),
        wanted("integrity", lambda: integrity(db, limit=ROWS)),
        wanted("incidents", lambda: store.incidents(db, limit=ROWS)),
        wanted("dead_letters", lambda: dead_letters(db)),
        wanted("ahead", lambda: ahead(db, now)),
    )


def status(db: Queryable, table: EdgeTable, now: datetime, installed: Sequence[RoomName] = ROOMS) -> Status:
    """Both directions of the edge sync, resyncs with their progress, and the Mautic sync."""
    if is_absent(table):
        return Status(True, now, [], [], [], 0, store.mautic_state(db), list(installed))
    found = sync_status(db, table, now)
    return Status(
        found.healthy,
        now,
        list(found.directions),
        [_progress(row) for row in store.latest_resyncs(db)],
        store.entity_sizes(db),
        found.conflicts_24h,
        store.mautic_state(db),
        list(installed),
    )


def runs(db: Queryable, *, limit: int = ROWS) -> list[CacheRun]:
    """Of the edge sync, newest first."""
    return [CacheRun(**row) for row in recent_runs(db, limit=limit)]


def mautic_runs(db: Queryable, *, limit: int = ROWS) -> list[MauticRun]:
    """Newest first."""
    return store.mautic_runs(db, limit=limit)


def workspaces(db: Queryable, now: datetime) -> list[WorkspaceShown]:
    """By name."""
    return store.workspaces(db, now, limit=_WORKSPACES)


def provider_days(db: Queryable, now: datetime, days: int = TREND_DAYS) -> list[ProviderDay]:
    """Of the last so many days."""
    return store.provider_days(db, since=(now - timedelta(days=days)).date())


def conflicts(db: Queryable, *, open_only: bool = False, limit: int = ROWS) -> list[Conflict]:
    """The latest first."""
    return [Conflict(**row) for row in list_conflicts(db, open_only=open_only, limit=limit)]


def incidents(db: Queryable, *, limit: int = ROWS) -> list[OpenIncident]:
    """Open ones first."""
    return store.incidents(db, limit=limit)


def dead_letters(db: Queryable, *, limit: int = ROWS) -> DeadLetters:
    """What was given up and what has had no effect yet."""
    waiting = store.waiting_deliveries(db)
    return DeadLetters(waiting["deliveries"], waiting["failed_tasks"], store.failed_tasks(db, limit=limit))


def _progress(row: Row) -> ResyncProgress:
    seconds = (row["updated_at"] - row["started_at"]).total_seconds()
    speed = row["written"] / seconds if seconds > 0 and row["written"] else None
    left = max(0, row["total"] - row["written"])
    is_writing = row["phase"] == "write"
    return ResyncProgress(
        **{name: value for name, value in row.items() if name != "next_bucket"},
        is_running=row["finished_at"] is None,
        percent=_percent(row),
        rows_per_second=None if speed is None else round(speed, 1),
        eta_seconds=round(left / speed) if is_writing and speed is not None else None,
    )


def _percent(row: Row) -> float:
    """Never 100 before it is done; the number of rows was counted at its beginning and may have grown."""
    if row["phase"] == "done":
        return 100.0
    if row["phase"] == "write":
        return round(_WRITING * min(1.0, float(row["written"]) / max(1.0, float(row["total"]))), 1)
    return round(min(99.9, _WRITING + (100.0 - _WRITING) * float(row["next_bucket"]) / BUCKETS), 1)
