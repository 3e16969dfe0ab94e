"""Incidents of connections: each is reported once, and once more when it is over."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from crm_relay.connections import store
from crm_relay.connections.store import ConnectionRow
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_incidents, open_incidents
from crm_relay.platform.database import Database, Queryable, Transaction

RECONNECT = "connection_reconnect"
FAILING = "connection_failing"
STREAM = "connection_stream"
HELD = "connection_held"
DRIFT = "connection_differs"

_TITLES = {
    RECONNECT: "Connected account(s) have to be connected again",
    FAILING: "Connected account(s) fail to sync",
    STREAM: "Stream(s) of connected accounts stopped",
    HELD: "Sync(s) of connected accounts wait for a decision",
    DRIFT: "Connected account(s) differ after a complete pass",
}


def report(db: Queryable, connection: ConnectionRow, kind: str, reason: str, now: datetime, part: str = "") -> None:
    """Open it, unless it is open. `part`: the stream that it is about."""
    incident = Incident(
        kind,
        _subject(connection, part),
        _TITLES[kind],
        connection.workspace_name,
        {"integration": connection.integration_type, "label": connection.label, "reason": reason},
    )
    open_incidents(db, [incident], now)


def hold(
    db: Database, connection: ConnectionRow, held_for: str, details: Mapping[str, Any], reason: str, now: datetime
) -> None:
    """Syncs wait for a look, and somebody hears of it: both or neither. Nothing where the settings were changed."""

    def work(tx: Transaction) -> None:
        if store.hold(tx, connection, held_for, details, now):
            report(tx, connection, HELD, reason, now)

    db.transact(work)


def is_over(db: Queryable, connection: ConnectionRow, kinds: Sequence[str], now: datetime, part: str = "") -> None:
    """Close those of these kinds that are open."""
    for kind in kinds:
        close_incidents(db, kind, [_subject(connection, part)], now)


def _subject(connection: ConnectionRow, part: str) -> str:
    """By id: a label may change."""
    return f"{connection.id}:{part}" if part else str(connection.id)
