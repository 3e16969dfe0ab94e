"""Connects an account by OAuth: a ticket for who may do it, a browser to the provider, and its callback."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from crm_relay.connections import store, trouble
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.oauth import store as state_store
from crm_relay.connections.oauth.ticket import hash_of
from crm_relay.connections.tokens.grants import put_grant
from crm_relay.platform.database import Database, Queryable, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.connectors.oauth_client import IssuedTokens, ProviderOAuth

UNKNOWN = "this start is unknown, was used already, or is older than ten minutes: begin again"
DEFAULT_FREQUENCY = 15


@dataclass(frozen=True)
class OAuthStart:
    """Where a browser goes, and the state that it has to bring back in a cookie as well."""

    address: str = field(repr=False)
    state: str = field(repr=False)


def begin(
    db: Database, context: ConnectionContext, provider: str, ticket: str, redirect_uri: str, now: datetime
) -> OAuthStart:
    """Use up the ticket. Raises RejectedInput for one that is not good, and where no app is configured."""
    client, vault = client_of(context, provider), context.vault
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    vault.prepare(db)
    is_good = state_store.begin(
        db,
        ticket_hash=hash_of(ticket),
        provider=provider,
        state_hash=hash_of(state),
        verifier=vault.seal_text(verifier, hash_of(state)),
        key_version=vault.newest,
        now=now,
    )
    if not is_good:
        raise RejectedInput(UNKNOWN)
    return OAuthStart(client.authorize_address(redirect_uri=redirect_uri, state=state, verifier=verifier), state)


def finish(
    db: Database,
    context: ConnectionContext,
    provider: str,
    *,
    state: str,
    cookie: str | None,
    code: str | None,
    redirect_uri: str,
    now: datetime,
) -> UUID:
    """The connection. Single use: the state is used up before the code is exchanged.

    `cookie`: the state as this browser had it; another one's link connects nothing. `code` None: the person said no.
    Raises RejectedInput, GrantRefused, TransientError.
    """
    if cookie is None or not secrets.compare_digest(cookie, state):
        raise RejectedInput("this browser did not begin the connection: begin again")
    client, vault = client_of(context, provider), context.vault
    vault.prepare(db)
    row = state_store.use_state(db, hash_of(state), provider, now)
    if row is None:
        raise RejectedInput(UNKNOWN)
    if code is None:
        raise RejectedInput("the provider did not grant access")
    verifier = vault.open_text(db, bytes(row["verifier"]), row["key_version"], hash_of(state))
    tokens = client.exchange(code, redirect_uri=redirect_uri, verifier=verifier)
    return _keep(db, context, provider, row, tokens, now)


def _keep(
    db: Database,
    context: ConnectionContext,
    provider: str,
    row: Mapping[str, Any],
    tokens: IssuedTokens,
    now: datetime,
) -> UUID:
    connection: UUID = row["connection_id"] or uuid4()
    db.transact(lambda tx: _keep_with_grant(tx, context, connection, provider, row, tokens, now))
    return connection


def _keep_with_grant(
    tx: Transaction,
    context: ConnectionContext,
    connection: UUID,
    provider: str,
    row: Mapping[str, Any],
    tokens: IssuedTokens,
    now: datetime,
) -> None:
    """The connection with its grant, or neither."""
    if row["connection_id"] is None:
        store.add_connection(
            tx,
            connection_id=connection,
            workspace=row["workspace_id"],
            integration=provider,
            label=row["label"],
            account_label=None,
            settings=row["settings"],
            frequency=DEFAULT_FREQUENCY,
            now=now,
        )
    credentials = {"access_token": tokens.access_token}
    if tokens.refresh_token is not None:
        credentials["refresh_token"] = tokens.refresh_token
    expires_at = None if tokens.expires_in is None else now + timedelta(seconds=tokens.expires_in)
    put_grant(tx, context.vault, connection, credentials, expires_at)
    found = store.find_connection(tx, connection)
    if found is not None and row["connection_id"] is not None:
        reconnected(tx, found, row["started_by"], now)
    elif found is not None:
        store.run(tx, store.logging_order(found, "connected", row["started_by"], now))


def reconnected(db: Queryable, connection: store.ConnectionRow, who: str, now: datetime) -> None:
    """It syncs again at once and catches up; the incident is over. A first look that is owed stays owed."""
    store.resume(db, connection.id, now)
    trouble.is_over(db, connection, [trouble.RECONNECT, trouble.FAILING], now)
    store.run(db, store.logging_order(connection, "reconnected", who, now))


def client_of(context: ConnectionContext, provider: str) -> ProviderOAuth:
    """Raises RejectedInput where the provider has no OAuth, or no app is configured for it."""
    client = context.setup(provider).oauth
    if client is None:
        raise RejectedInput(f"no OAuth app is configured for {provider}: set its client id", status=422)
    return client
