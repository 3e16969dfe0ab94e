"""The SQL of connections and of their logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.connections.decisions import ConnectionState, NextState
from crm_relay.connections.models import SyncResult
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, Statement, queries_beside

_SQL = queries_beside(__file__)
_PAGE = 1_000
_NOBODY = UUID(int=0)


@dataclass(frozen=True)
class ConnectionRow:
    """A row of integration_connections without its credentials."""

    id: UUID
    workspace_id: UUID
    org_id: UUID | None
    workspace_name: str
    integration_type: str
    label: str | None
    account_label: str | None
    settings: Mapping[str, Any]
    status: str
    enabled: bool
    error_message: str | None
    error_count: int
    last_sync_at: datetime | None
    sync_frequency_minutes: int
    created_at: datetime | None
    updated_at: datetime | None
    held_for: str | None
    confirmed_at: datetime | None
    probes: int
    may_shrink: bool
    has_plaintext: bool = field(repr=False)

    @property
    def state(self) -> ConnectionState:
        """For the rules."""
        return ConnectionState(self.status, self.error_count, self.probes, self.sync_frequency_minutes)


def find_connections(db: Queryable, workspace: UUID, integration: str, label: str | None) -> list[ConnectionRow]:
    """Those that were disconnected last."""
    rows = db.run(_SQL["find_connections"], workspace=workspace, integration=integration, label=label)
    return [_connection(row) for row in rows]


def find_connection(db: Queryable, connection_id: UUID, *, is_locked: bool = False) -> ConnectionRow | None:
    """By id; `is_locked`: to the end of the transaction."""
    if is_locked:
        db.run(_SQL["lock_connection"], connection=connection_id)
    rows = db.run(_SQL["find_connection"], connection=connection_id)
    return _connection(rows[0]) if rows else None


def _connection(row: Row) -> ConnectionRow:
    return ConnectionRow(**row | {"settings": row["settings"] or {}})


def add_connection(
    db: Queryable,
    *,
    connection_id: UUID,
    workspace: UUID,
    integration: str,
    label: str | None,
    account_label: str | None,
    settings: Mapping[str, Any],
    frequency: int,
    now: datetime,
) -> None:
    """Raises DuplicateRow where the label is another one's."""
    db.run(
        _SQL["add_connection"],
        id=connection_id,
        workspace=workspace,
        integration=integration,
        label=label,
        account_label=account_label,
        settings=Json(dict(settings)),
        frequency=frequency,
        now=now,
    )


def save_settings(
    db: Queryable, connection_id: UUID, settings: Mapping[str, Any], frequency: int, label: str | None, now: datetime
) -> bool:
    """Whether there is such a connection."""
    return bool(
        db.run(
            _SQL["save_settings"],
            connection=connection_id,
            settings=Json(dict(settings)),
            frequency=frequency,
            label=label,
            now=now,
        )
    )


def ask_again(db: Queryable, connection_id: UUID, now: datetime) -> None:
    """What somebody said yes to was something else."""
    db.run(_SQL["ask_again"], connection=connection_id, now=now)


def take_sync_lease(db: Queryable, connection_id: UUID, lease: UUID, seconds: float) -> bool:
    """Whether nobody else syncs it."""
    return bool(db.run(_SQL["take_sync_lease"], connection=connection_id, lease=lease, seconds=seconds))


def release_sync_lease(db: Queryable, connection_id: UUID, lease: UUID) -> None:
    """Safe where it is another one's by now."""
    db.run(_SQL["release_sync_lease"], connection=connection_id, lease=lease)


def recording_state(
    connection_id: UUID,
    state: NextState,
    *,
    error_message: str | None,
    has_synced: bool,
    began_at: datetime,
    now: datetime,
) -> Statement:
    """What a run says about it."""
    return _SQL["record_state"].bind(
        connection=connection_id,
        status=state.status,
        error_count=state.error_count,
        probes=state.probes,
        next_sync_at=state.next_sync_at,
        held_for=state.held_for,
        error_message=error_message,
        has_synced=has_synced,
        began_at=began_at,
        now=now,
    )


def hold(db: Queryable, row: ConnectionRow, held_for: str, details: Mapping[str, Any], now: datetime) -> bool:
    """Until somebody looks. False where the settings are other ones than those of `row` by now."""
    given = {"settings": Json(dict(row.settings)), "details": Json(dict(details))}
    return bool(db.run(_SQL["hold"], connection=row.id, held_for=held_for, now=now, **given))


def lift_hold(db: Queryable, connection_id: UUID, now: datetime, *, has_looked: bool = False) -> bool:
    """Whether there was anything that a yes may be about. `has_looked`: somebody has previewed it by hand."""
    return bool(db.run(_SQL["lift_hold"], connection=connection_id, now=now, has_looked=has_looked))


def resume(db: Queryable, connection_id: UUID, now: datetime) -> bool:
    """Whether there is such a connection."""
    return bool(db.run(_SQL["resume"], connection=connection_id, now=now))


def lift_reconnect(db: Queryable, connection_id: UUID, now: datetime) -> bool:
    """Whether it waited for its account."""
    return bool(db.run(_SQL["lift_reconnect"], connection=connection_id, now=now))


def request_removal(db: Queryable, connection_id: UUID, now: datetime) -> bool:
    """Whether there was anything to remove."""
    return bool(db.run(_SQL["request_removal"], connection=connection_id, now=now))


def removals_requested(db: Queryable) -> list[ConnectionRow]:
    """To be disconnected."""
    return [_connection(row) for row in db.run(_SQL["removals_requested"])]


def set_enabled(db: Queryable, connection_id: UUID, now: datetime, *, enabled: bool) -> bool:
    """Whether there is such a connection."""
    return bool(db.run(_SQL["set_enabled"], connection=connection_id, enabled=enabled, now=now))


def request_sync(db: Queryable, connection_id: UUID, now: datetime) -> bool:
    """Whether there is such a connection."""
    return bool(db.run(_SQL["request_sync"], connection=connection_id, now=now))


def disconnecting(connection_id: UUID, now: datetime) -> Statement:
    """To be sent with what forgets the grant."""
    return _SQL["disconnect"].bind(connection=connection_id, now=now)


def logging_sync(connection_id: UUID, result: SyncResult) -> Statement:
    """One line of the document's log."""
    return _SQL["log_sync"].bind(
        connection=connection_id,
        direction=result.direction,
        success=result.success,
        synced=result.records_synced,
        created=result.records_created,
        updated=result.records_updated,
        failed=result.records_failed,
        errors=Json(list(result.errors)),
        duration=result.duration_ms,
        metadata=Json(dict(result.metadata)),
        started_at=result.started_at,
        completed_at=result.completed_at,
    )


def logging_activity(
    workspace: UUID,
    connection_id: UUID | None,
    integration: str,
    action: str,
    *,
    success: bool,
    records: int,
    error_message: str | None,
    metadata: Mapping[str, Any],
    now: datetime,
) -> Statement:
    """One line of activity."""
    return _SQL["log_activity"].bind(
        workspace=workspace,
        connection=connection_id,
        integration=integration[:50],
        action=action[:100],
        success=success,
        records=records,
        error_message=error_message,
        metadata=Json(dict(metadata)),
        now=now,
    )


def logging_order(row: ConnectionRow, action: str, who: str, now: datetime, **details: object) -> Statement:
    """A line of activity about what an operator did to a connection."""
    return logging_activity(
        row.workspace_id,
        row.id,
        row.integration_type,
        action,
        success=True,
        records=0,
        error_message=None,
        metadata={"by": who} | details,
        now=now,
    )


def run(db: Queryable, statement: Statement) -> list[Row]:
    """One statement that is usually sent with others."""
    return db.run(statement.query, **statement.values)


def contacts_of(
    db: Queryable, workspace: UUID, *, owner: UUID | None, status: str | None, segment: str | None
) -> list[Row]:
    """All of them, by id: a thousand a statement."""
    found, after, wanted = list[Row](), _NOBODY, {"owner": owner, "status": status, "segment": segment}
    while page := db.run(_SQL["workspace_contacts"], workspace=workspace, **wanted, after=after, limit=_PAGE):
        found += page
        after = page[-1]["id"]
    return found


def pitches_of(db: Queryable, workspace: UUID) -> list[Row]:
    """All of them, by id: a thousand a statement."""
    found, after = list[Row](), _NOBODY
    while page := db.run(_SQL["workspace_pitches"], workspace=workspace, after=after, limit=_PAGE):
        found += page
        after = page[-1]["id"]
    return found


def due_connections(
    db: Queryable, kinds: Sequence[str], audiences: Sequence[str], tried: Sequence[UUID], now: datetime, limit: int
) -> list[UUID]:
    """The longest waiting first. `audiences`: those of `kinds` whose departures are due also while the rest is held."""
    rows = db.run(
        _SQL["due_connections"],
        kinds=list(kinds),
        audiences=list(audiences),
        tried=list(tried),
        now=now,
        limit=limit,
    )
    return [row["id"] for row in rows]


def put_off(db: Queryable, connection_id: UUID, next_sync_at: datetime, reason: str, now: datetime) -> None:
    """A run that ended without a record of its own."""
    db.run(_SQL["put_off"], connection=connection_id, next_sync_at=next_sync_at, reason=reason, now=now)
