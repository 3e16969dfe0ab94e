"""Disconnects an account: the grant is revoked and forgotten, and what was synced stays on both sides."""

from dataclasses import dataclass

from crm_relay.connections import store, trouble
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.store import ConnectionRow
from crm_relay.connections.tokens import store as token_store
from crm_relay.connections.tokens.grants import read_grant
from crm_relay.platform.clock import Clock
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, TransientError, describe_error
from crm_relay.platform.logging import logger

_KINDS = (trouble.RECONNECT, trouble.FAILING, trouble.HELD)


@dataclass(frozen=True)
class Disconnected:
    """`was_revoked` False: the vendor has no address for it, or refused; access is taken back there by hand."""

    was_revoked: bool
    what_stays: str


def disconnect(db: Database, context: ConnectionContext, row: ConnectionRow, clock: Clock, who: str) -> Disconnected:
    """Safe to call twice. Raises TransientError where the vendor is away: then nothing is forgotten."""
    was_revoked = _revoke(db, context, row)
    now = clock()
    line = store.logging_order(row, "disconnected", who, now, revoked=was_revoked)
    statements = [store.disconnecting(row.id, now), token_store.forget_grant(row.id), line]
    db.transact(lambda tx: tx.finish(statements))
    trouble.is_over(db, row, _KINDS, now)
    stays = "contacts here and records there stay as they are; nothing is synced any more"
    return Disconnected(was_revoked, stays)


def _revoke(db: Database, context: ConnectionContext, row: ConnectionRow) -> bool:
    """A grant that no key opens any more is only forgotten: else nothing would ever end its connection."""
    setup = context.setups.get(row.integration_type)
    if setup is None or setup.oauth is None:
        return False
    try:
        grant = read_grant(db, context.vault, row.id)
        token = None if grant is None else grant.refresh_token or grant.access_token
        return token is not None and setup.oauth.revoke(token)
    except TransientError:
        raise
    except FatalError as error:
        logger().warning("a grant could not be revoked", connection=str(row.id), reason=describe_error(error))
        return False


def disconnect_requested(db: Database, context: ConnectionContext, clock: Clock) -> int:
    """Those whose removal somebody asked for through the API; a vendor that is away is asked again by the next run."""
    done = 0
    for row in store.removals_requested(db):
        try:
            disconnect(db, context, row, clock, "the API")
            done += 1
        except (TransientError, FatalError) as error:
            logger().warning(
                "a connection could not be removed yet", connection=str(row.id), reason=describe_error(error)
            )
    return done
