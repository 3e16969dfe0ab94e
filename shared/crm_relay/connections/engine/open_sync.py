"""Opens the sync of one connection by its id."""

from uuid import UUID

from crm_relay.connections import store
from crm_relay.connections.engine.record_sync import RecordSync
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.mailboxes.mail_sync import MailboxSync
from crm_relay.connections.store import ConnectionRow
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.connectors.mailbox_connector import MailboxConnector


def find_sync(
    db: Database,
    context: ConnectionContext,
    connection_id: UUID,
    *,
    clock: Clock | None = None,
    deadline: Deadline | None = None,
) -> tuple[RecordSync, ConnectionRow]:
    """Not initialized: `initialize_as` the row. Raises RejectedInput for an unknown connection or integration."""
    row = store.find_connection(db, connection_id)
    if row is None:
        raise RejectedInput("no such connection", status=404)
    has_mailbox = isinstance(context.setup(row.integration_type).connector, MailboxConnector)
    kind = MailboxSync if has_mailbox else RecordSync
    sync = kind(row.workspace_id, db, row.label, clock=clock, deadline=deadline, context=context)
    sync.integration_name = row.integration_type
    return sync, row


def open_sync(
    db: Database,
    context: ConnectionContext,
    connection_id: UUID,
    *,
    clock: Clock | None = None,
    deadline: Deadline | None = None,
) -> RecordSync:
    """Initialized. Errors as in `find_sync` and `initialize`."""
    sync, row = find_sync(db, context, connection_id, clock=clock, deadline=deadline)
    sync.initialize_as(row)
    return sync
