"""Connects an account by a key, for the first time or again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from crm_relay.connections import store
from crm_relay.connections.accounts.given_key import key_opens
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.oauth.connect import DEFAULT_FREQUENCY, reconnected
from crm_relay.connections.overview.show import workspace_called
from crm_relay.connections.tokens.grants import put_grant
from crm_relay.platform.clock import Clock
from crm_relay.platform.database import Database, Transaction
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
    """`is_valid`: the vendor takes the key, as one light request showed; else a connection keeps its grant."""

    id: UUID
    is_valid: bool


def add_by_key(
    db: Database, context: ConnectionContext, wanted: KeyedAccount, key: str, clock: Clock, who: str
) -> AccountKeyed:
    """The key is tried first: while the vendor is away nothing is stored, and the call can be repeated.

    A key that the vendor refuses replaces none; a new connection waits with it for another one.

    Raises RejectedInput: an unknown integration, workspace or connection, wrong settings, or a label that is taken;
    TransientError where the vendor cannot be asked now.
    """
    ensure_takes_keys(context, wanted.integration)
    connection = wanted.connection or uuid4()
    settings = _settings(db, wanted)
    is_valid = key_opens(db, context, wanted.integration, settings, connection, key)
    if wanted.connection is None or is_valid:
        context.vault.prepare(db)
        now = clock()
        db.transact(lambda tx: _keep(tx, context, connection, wanted, key, who, now))
    return AccountKeyed(connection, is_valid)


def ensure_takes_keys(context: ConnectionContext, integration: str) -> None:
    """Raises RejectedInput: an unknown integration, or one whose accounts are connected by OAuth alone."""
    if not context.setup(integration).connector.takes_keys:
        raise RejectedInput(f"accounts of {integration} are connected by OAuth alone", status=422)


def _settings(db: Database, wanted: KeyedAccount) -> Mapping[str, Any]:
    if wanted.connection is None:
        workspace_called(db, str(wanted.workspace))
        return wanted.settings or {}
    row = store.find_connection(db, wanted.connection)
    if row is None or (row.workspace_id, row.integration_type) != (wanted.workspace, wanted.integration):
        raise RejectedInput("no such connection of this kind in the workspace", status=404)
    return row.settings


def _keep(
    tx: Transaction,
    context: ConnectionContext,
    connection: UUID,
    wanted: KeyedAccount,
    key: str,
    who: str,
    now: datetime,
) -> None:
    """The connection with its key, or neither."""
    if wanted.connection is None:
        _add(tx, connection, wanted, now)
    put_grant(tx, context.vault, connection, {"api_key": key}, None)
    row = store.find_connection(tx, connection)
    if row is None:
        raise RejectedInput("the connection was removed", status=404)
    if wanted.connection is None:
        store.run(tx, store.logging_order(row, "connected", who, now))
    else:
        reconnected(tx, row, who, now)


def _add(tx: Transaction, connection: UUID, wanted: KeyedAccount, now: datetime) -> None:
    try:
        store.add_connection(
            tx,
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
