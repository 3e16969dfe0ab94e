"""What an operator does to a connection without its secrets: pause, resume, sync now, say yes, remove."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from crm_relay.connections import store, trouble
from crm_relay.connections.store import ConnectionRow
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput


class ConnectionChange(StrEnum):
    """`confirm`: what a preview or a stopped sync showed may be done. `remove`: the next run takes the grant back."""

    PAUSE = "pause"
    RESUME = "resume"
    SYNC = "sync"
    CONFIRM = "confirm"
    REMOVE = "remove"


@dataclass(frozen=True)
class ConnectionSteered:
    """`status` as it is now; the sync itself is done by the next run."""

    id: UUID
    change: ConnectionChange
    status: str
    held_for: str | None


def steer(
    db: Database,
    connection_id: UUID,
    change: ConnectionChange,
    who: str,
    now: datetime,
    *,
    has_looked: bool = False,
) -> ConnectionSteered:
    """Safe to call twice. `has_looked`: who confirms has previewed it by hand, so that no stored preview is needed.

    Raises RejectedInput: 404 for an unknown one, 409 where it cannot be done now.
    """
    row = store.find_connection(db, connection_id)
    if row is None:
        raise RejectedInput("no such connection", status=404)
    _refuse(row, change)
    if change is ConnectionChange.CONFIRM:
        _confirm(db, row, now, has_looked=has_looked)
    else:
        _DO[change](db, row, now)
    store.run(db, store.logging_order(row, f"operator_{change.value}", who, now))
    after = store.find_connection(db, connection_id) or row
    return ConnectionSteered(connection_id, change, after.status, after.held_for)


def _refuse(row: ConnectionRow, change: ConnectionChange) -> None:
    if row.status == "disconnected" and change is not ConnectionChange.REMOVE:
        raise RejectedInput("the connection was removed: connect the account again", status=409)
    waits = row.held_for == "reconnect"
    if waits and change in {ConnectionChange.SYNC, ConnectionChange.CONFIRM}:
        raise RejectedInput("the account has to be connected again first", status=409)


def _confirm(db: Database, row: ConnectionRow, now: datetime, *, has_looked: bool) -> None:
    if not store.lift_hold(db, row.id, now, has_looked=has_looked):
        raise RejectedInput("nothing was shown yet: the next sync is a preview", status=409)
    trouble.is_over(db, row, [trouble.HELD], now)


_DO: dict[ConnectionChange, Callable[[Database, ConnectionRow, datetime], object]] = {
    ConnectionChange.PAUSE: lambda db, row, now: store.set_enabled(db, row.id, now, enabled=False),
    ConnectionChange.RESUME: lambda db, row, now: store.set_enabled(db, row.id, now, enabled=True),
    ConnectionChange.SYNC: lambda db, row, now: store.request_sync(db, row.id, now),
    ConnectionChange.REMOVE: lambda db, row, now: store.request_removal(db, row.id, now),
}
