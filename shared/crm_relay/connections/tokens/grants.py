"""Reads, stores and moves grants, always encrypted."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.connections.tokens import store
from crm_relay.connections.tokens.models import Grant, NewTokens
from crm_relay.connections.tokens.vault import Vault
from crm_relay.platform.database import Database, Queryable, Row, Transaction
from crm_relay.platform.errors import FatalError, describe_error
from crm_relay.platform.logging import logger

_OF_DOCUMENT = "token_expires_at"
_BATCH = 100


def read_grant(db: Queryable, vault: Vault, connection_id: UUID) -> Grant | None:
    """None where the connection has none. Errors as in Vault.open."""
    row = store.read_secret(db, connection_id)
    if row is None:
        return None
    sealed, version = bytes(row.pop("ciphertext")), row.pop("key_version")
    credentials = vault.open(db, sealed, version, connection_id, row["generation"])
    return Grant(connection_id, credentials=credentials, **row)


def put_grant(
    db: Queryable, vault: Vault, connection_id: UUID, credentials: Mapping[str, Any], expires_at: datetime | None
) -> int:
    """Store what was given by hand or by a callback, whatever was there before; the new generation."""
    vault.prepare(db)
    while True:
        row = store.read_secret(db, connection_id)
        generation = 1 if row is None else row["generation"] + 1
        values = {
            "ciphertext": vault.seal(credentials, connection_id, generation),
            "key_version": vault.newest,
            "expires_at": expires_at,
            "refresh_expires_at": None,
            "has_refresh_token": bool(credentials.get("refresh_token")),
        }
        if store.put_grant(db, connection_id, generation, values):
            return generation


def store_refreshed(db: Queryable, vault: Vault, grant: Grant, tokens: NewTokens, now: datetime) -> Grant | None:
    """The grant with its new tokens; None where another one was stored meanwhile. The vault is prepared."""
    kept = {} if tokens.refresh_token is None else {"refresh_token": tokens.refresh_token}
    credentials = {**grant.credentials, **kept, "access_token": tokens.access_token}
    generation, expires_at = grant.generation + 1, _after(now, tokens.expires_in)
    refresh_expires_at = _after(now, tokens.refresh_expires_in)
    values = {
        "ciphertext": vault.seal(credentials, grant.connection_id, generation),
        "key_version": vault.newest,
        "expires_at": expires_at,
        "refresh_expires_at": refresh_expires_at,
        "has_refresh_token": bool(credentials.get("refresh_token")),
    }
    if not store.store_refreshed(db, grant.connection_id, grant.generation, values):
        return None
    return Grant(grant.connection_id, generation, credentials, expires_at, refresh_expires_at, now)


def move_plaintext(db: Database, vault: Vault, connection_id: UUID) -> bool:
    """Encrypt credentials that were inserted by hand and blank them, in one transaction; whether there were any.

    They win over what was stored before: somebody has put them there since. Safe side by side.
    """
    vault.prepare(db)

    def move(tx: Transaction) -> bool:
        found = store.take_plaintext(tx, connection_id)
        if not found:
            return False
        expires_at = parse_time(found.pop(_OF_DOCUMENT, None))
        put_grant(tx, vault, connection_id, found, expires_at)
        store.blank_plaintext(tx, connection_id)
        return True

    return db.transact(move)


def rotate_keys(db: Database, vault: Vault) -> int:
    """Make a new data key and encrypt every secret by it; how many. Safe to call again after it was interrupted."""
    newest = vault.add_key(db)
    return encrypt_again(db, vault, newest)


def encrypt_again(db: Database, vault: Vault, newest: int) -> int:
    """Every secret that an older data key encrypts; a grant that is replaced meanwhile is by the newest one already.

    One that cannot be opened any more stays as it is: its account has to be connected again.
    """
    done, after = 0, UUID(int=0)
    while rows := store.secrets_of_older_keys(db, newest, after, _BATCH):
        again = [sealed for row in rows if (sealed := _sealed_again(db, vault, row)) is not None]
        done += store.encrypt_again(db, newest, again) if again else 0
        after = rows[-1]["connection_id"]
    return done


def _sealed_again(db: Database, vault: Vault, row: Row) -> dict[str, Any] | None:
    connection_id, generation = row["connection_id"], row["generation"]
    try:
        opened = vault.open(db, bytes(row["ciphertext"]), row["key_version"], connection_id, generation)
    except FatalError as error:
        logger().warning("a grant is left behind", connection=str(connection_id), reason=describe_error(error))
        return None
    sealed = vault.seal(opened, connection_id, generation)
    return {"connection_id": connection_id, "generation": generation, "ciphertext": sealed}


def parse_time(value: object) -> datetime | None:
    """ISO 8601, as the document's example inserts it; None for anything else or without a zone."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _after(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=min(seconds, 10 * 366 * 86_400))
