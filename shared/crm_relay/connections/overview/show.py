"""Lists connections, and shows one with its refused records and its last syncs; no secret is read for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.connections.overview import store
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput

MOST_LISTED = 200
_REJECTS, _SYNCS = 50, 10


@dataclass(frozen=True)
class ConnectionLine:
    """`held_for`: what syncs wait for: reconnect, preview, confirmation or billing.

    `days_to_expiry`: of the grant where the vendor says how long it lasts unused, None where it does not expire.
    `access`: oauth or key; None where nothing is stored.
    `requests_this_month`: None where no month is counted.
    """

    id: UUID
    workspace_id: UUID
    workspace: str
    integration: str
    label: str | None
    account: str | None
    status: str
    enabled: bool
    held_for: str | None
    confirmed: bool
    last_sync_at: datetime | None
    next_sync_at: datetime | None
    sync_frequency_minutes: int
    error_count: int
    error_message: str | None
    records: int
    rejects: int
    stopped_streams: int
    is_equal: bool
    compared_at: datetime | None
    needs_reconnect: bool
    access: str | None
    days_to_expiry: int | None
    monthly_requests: int | None
    requests_this_month: int | None


@dataclass(frozen=True)
class RejectedRecord:
    """`record_id`: ours of one that was refused there, theirs of one that was refused here."""

    stream: str
    direction: str
    record_id: str
    reason: str
    attempts: int
    first_at: datetime
    last_at: datetime
    retry_at: datetime


@dataclass(frozen=True)
class SyncLine:
    """One line of the log."""

    started_at: datetime | None
    direction: str
    success: bool | None
    records_created: int
    records_updated: int
    records_failed: int
    errors: Sequence[str]
    duration_ms: int | None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ConnectionShown:
    """`held_details`: what a first sync would do, or why the next one would remove so much."""

    connection: ConnectionLine
    held_details: Mapping[str, Any]
    rejects: Sequence[RejectedRecord]
    syncs: Sequence[SyncLine]


def list_connections(
    db: Queryable, now: datetime, *, workspace: UUID | None = None, limit: int = MOST_LISTED
) -> list[ConnectionLine]:
    """By workspace, kind and label; one statement."""
    rows = store.list_connections(db, connection=None, workspace=workspace, limit=min(limit, MOST_LISTED))
    return [_line(row, now) for row in rows]


def show_connection(db: Queryable, connection_id: UUID, now: datetime) -> ConnectionShown:
    """Three statements. Raises RejectedInput with 404."""
    rows = store.list_connections(db, connection=connection_id, workspace=None, limit=1)
    if not rows:
        raise RejectedInput("no such connection", status=404)
    rejects = [RejectedRecord(**row) for row in store.list_rejects(db, connection_id, _REJECTS)]
    syncs = [SyncLine(**row) for row in store.list_syncs(db, connection_id, _SYNCS)]
    return ConnectionShown(_line(rows[0], now), rows[0]["held_details"], rejects, syncs)


def workspace_called(db: Queryable, called: str) -> UUID:
    """By name or id. Raises RejectedInput with 404."""
    found = store.workspace_called(db, called)
    if found is None:
        raise RejectedInput("no such workspace", status=404)
    return found


def _line(row: Mapping[str, Any], now: datetime) -> ConnectionLine:
    lasts_until = row["refresh_expires_at"]
    days = None if lasts_until is None else max(0, (lasts_until - now).days)
    left_out = {"held_details", "expires_at", "refresh_expires_at"}
    return ConnectionLine(**{k: v for k, v in row.items() if k not in left_out}, days_to_expiry=days)
