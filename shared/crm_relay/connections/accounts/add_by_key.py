"""Connects an account by a key, for the first time or again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from crm_relay.connections import store
from crm_relay.connections.engine.open_sync import open_sync
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.oauth.connect import DEFAULT_FREQUENCY, reconnected
from crm_relay.connections.overview.show import workspace_called
from crm_relay.connections.tokens.grants import put_grant
from crm_relay.platform.clock import Clock
from crm_relay.platform.database import Database
from crm_relay.platform.errors import DuplicateRow, RejectedInput


@dataclass(frozen=True)
class KeyedAccount:
    """`workspace` and `connection`: a new connection of the workspace, or another key for that connection of it."""

    integration: str
    workspace: UUID
    label: str | None = None
    settings: Mapping[str, Any] | None = None
    connection: UUID | None = None


@dataclass(frozen=True)
class AccountKeyed:
    """`is_valid`: the vendor takes the key, as one light request showed."""

    id: UUID
    is_valid: bool


def add_by_key(
    db: Database, context: ConnectionContext, wanted: KeyedAccount, key: str, clock: Clock, who: str
) -> AccountKeyed:
    """The key is stored encrypted before it is tried, so that a vendor that is away loses nothing.

    Raises RejectedInput: an unknown integration, workspace or connection, or a label that is taken; TransientError
    where the vendor cannot be asked now.
    """
    context.setup(wanted.integration)
    now, connection = clock(), wanted.connection or uuid4()
    if wanted.connection is None:
        workspace_called(db, str(wanted.workspace))
        _add(db, connection, wanted, now)
    row = store.find_connection(db, connection)
    if row is None or (row.workspace_id, row.integration_type) != (wanted.workspace, wanted.integration):
        raise RejectedInput("no such connection of this kind in the workspace", status=404)
    put_grant(db, context.vault, connection, {"api_key": key}, None)
    is_valid = open_sync(db, context, connection, clock=clock).validate_credentials()
    if wanted.connection is None:
        store.run(db, store.logging_order(row, "connected", who, now))
    elif is_valid:
        reconnected(db, row, who, now)
    return AccountKeyed(connection, is_valid)


def _add(db: Database, connection: UUID, wanted: KeyedAccount, now: datetime) -> None:
    try:
        store.add_connection(
            db,
            connection_id=connection,
            workspace=wanted.workspace,
            integration=wanted.integration,
            label=wanted.label,
            account_label=None,
            settings=wanted.settings or {},
            frequency=DEFAULT_FREQUENCY,
            now=now,
        )
    except DuplicateRow:
        raise RejectedInput("the workspace has a connection of this kind with this label", status=409) from None
