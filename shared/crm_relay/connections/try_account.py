"""Asks a vendor whether an account opens, also by a grant that it refused for good; where it does, syncs go on."""

from uuid import UUID

from crm_relay.connections import store, trouble
from crm_relay.connections.engine.open_sync import find_sync
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.store import ConnectionRow
from crm_relay.connections.tokens import store as token_store
from crm_relay.platform.clock import Clock
from crm_relay.platform.database import Database
from crm_relay.providers.connectors.failures import ReconnectNeeded


def try_account(db: Database, context: ConnectionContext, connection_id: UUID, clock: Clock, who: str) -> bool:
    """By one light request. A grant that does not open it stays refused, whatever else went wrong meanwhile.

    Raises RejectedInput for an unknown connection, TransientError where the vendor cannot be asked now.
    """
    sync, row = find_sync(db, context, connection_id, clock=clock)
    refused = token_store.ask_again(db, connection_id)
    opens = False
    try:
        sync.initialize_as(row)
        opens = sync.validate_credentials()
    except ReconnectNeeded:
        opens = False
    finally:
        if refused is not None and not opens:
            token_store.refuse_generation(db, connection_id, refused)
    if opens:
        _goes_on(db, row, clock, who)
    return opens


def _goes_on(db: Database, row: ConnectionRow, clock: Clock, who: str) -> None:
    """Only what waited for the account: a pause, a removal and a look that is owed stay."""
    now = clock()
    if not store.lift_reconnect(db, row.id, now):
        return
    trouble.is_over(db, row, [trouble.RECONNECT, trouble.FAILING], now)
    store.run(db, store.logging_order(row, "opens_again", who, now))
