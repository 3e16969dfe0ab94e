"""Changes settings of a connection; whatever is about records is previewed again before anything is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.connections import store
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import RejectedInput

_OF_THE_PACE = {"monthly_requests", "daily_pitches"}
"""Members that change when something is synced, and not what."""


@dataclass(frozen=True)
class SettingsChanged:
    """`is_previewed`: the next sync shows what it would do, and waits."""

    id: UUID
    settings: Mapping[str, Any]
    sync_frequency_minutes: int
    is_previewed: bool


def change_settings(
    db: Database,
    connection_id: UUID,
    changes: Mapping[str, Any],
    frequency: int | None,
    who: str,
    now: datetime,
) -> SettingsChanged:
    """`changes`: members of the settings, None takes one out; the others stay. Safe to call twice.

    Raises RejectedInput: 404 for an unknown connection, and what `read_sync_settings` says of the settings.
    """
    # Used here alone: it knows the contract of connectors, whose client a cold start of the admin API is spared.
    from crm_relay.connections.engine.sync_settings import read_sync_settings

    return db.transact(lambda tx: _change(tx, connection_id, changes, frequency, who, now, read_sync_settings))


def _change(
    tx: Transaction,
    connection_id: UUID,
    changes: Mapping[str, Any],
    frequency: int | None,
    who: str,
    now: datetime,
    validate: Callable[[Mapping[str, object]], object],
) -> SettingsChanged:
    """All of it or nothing: other records are never synced by a yes that was given to former settings."""
    row = store.find_connection(tx, connection_id, is_locked=True)
    if row is None:
        raise RejectedInput("no such connection", status=404)
    settings = {name: value for name, value in {**row.settings, **changes}.items() if value is not None}
    validate(settings)
    changed = {name for name in {*settings, *row.settings} if settings.get(name) != row.settings.get(name)}
    minutes = frequency or row.sync_frequency_minutes
    is_previewed = bool(changed - _OF_THE_PACE)
    store.save_settings(tx, row.id, settings, minutes, row.label, now)
    if is_previewed:
        store.ask_again(tx, row.id, now)
    store.run(tx, store.logging_order(row, "operator_settings", who, now, changed=sorted(changed)))
    return SettingsChanged(row.id, settings, minutes, is_previewed)
