"""What can be picked of a connected account for the settings of its connection: bases, tables, audiences, labels."""

from collections.abc import Sequence
from uuid import UUID

from crm_relay.connections.engine.open_sync import find_sync
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, RejectedInput, describe_error
from crm_relay.providers.connectors.contract import Choice


def list_choices(
    db: Database,
    context: ConnectionContext,
    connection_id: UUID,
    kind: str,
    within: str | None,
    clock: Clock,
    deadline: Deadline,
) -> Sequence[Choice]:
    """Of a kind that the connector declares in `pickers`; `within`: the choice that was made before it.

    Raises RejectedInput: 404 for an unknown connection or kind, 409 where the account does not show it or has to be
    connected again; TransientError where the vendor cannot be asked now.
    """
    sync, row = find_sync(db, context, connection_id, clock=clock, deadline=deadline)
    pickers = context.setup(row.integration_type).connector.pickers
    if kind not in pickers:
        raise RejectedInput(f"nothing of this kind can be picked: {', '.join(pickers) or 'nothing'}", status=404)
    if row.status == "disconnected":
        raise RejectedInput("the connection was removed: connect the account again", status=409)
    try:
        sync.initialize_as(row)
        with sync.opened() as account:
            return account.choices(kind, within)
    except FatalError as error:
        raise RejectedInput(describe_error(error), status=409) from None
