"""The SQL of secrets."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Rows, Statement, queries_beside

_SQL = queries_beside(__file__)

LEASE_SECONDS = 60.0
"""Longer than a request for a token may take, connecting included."""


def data_keys(db: Queryable) -> list[tuple[int, bytes]]:
    """Version and encrypted key."""
    return [(row["version"], bytes(row["encrypted_key"])) for row in db.run(_SQL["data_keys"])]


def add_data_key(db: Queryable, version: int, encrypted: bytes, key_name: str) -> None:
    """Safe side by side."""
    db.run(_SQL["add_data_key"], version=version, encrypted=encrypted, key_name=key_name)


def read_secret(db: Queryable, connection_id: UUID) -> Row | None:
    """None where the connection has no grant."""
    rows = db.run(_SQL["read_secret"], connection=connection_id)
    return rows[0] if rows else None


def take_refresh_lease(db: Queryable, connection_id: UUID, generation: int, lease: UUID) -> bool:
    """Whether it is ours."""
    return bool(
        db.run(
            _SQL["take_refresh_lease"],
            connection=connection_id,
            generation=generation,
            lease=lease,
            seconds=LEASE_SECONDS,
        )
    )


def store_refreshed(db: Queryable, connection_id: UUID, generation: int, values: Mapping[str, Any]) -> bool:
    """Whether `generation` was still the stored one."""
    return bool(db.run(_SQL["store_refreshed"], connection=connection_id, generation=generation, **values))


def put_grant(db: Queryable, connection_id: UUID, generation: int, values: Mapping[str, Any]) -> bool:
    """False where another grant was stored meanwhile."""
    return bool(db.run(_SQL["put_grant"], connection=connection_id, generation=generation, **values))


def release_refresh_lease(db: Queryable, connection_id: UUID, lease: UUID) -> None:
    """Nothing happens where it is another one's by now."""
    db.run(_SQL["release_refresh_lease"], connection=connection_id, lease=lease)


def refuse_generation(db: Queryable, connection_id: UUID, generation: int) -> bool:
    """Whether this call is the one that says so."""
    return bool(db.run(_SQL["refuse_generation"], connection=connection_id, generation=generation))


def ask_again(db: Queryable, connection_id: UUID) -> int | None:
    """The generation that was refused and no longer is; None where none was."""
    rows = db.run(_SQL["ask_again"], connection=connection_id)
    return int(rows[0]["generation"]) if rows else None


def forget_grant(connection_id: UUID) -> Statement:
    """To be sent with what disconnects."""
    return _SQL["forget_grant"].bind(connection=connection_id)


def grants_to_refresh(db: Queryable, now: datetime, older_than: timedelta, limit: int) -> list[UUID]:
    """The oldest first."""
    rows = db.run(_SQL["grants_to_refresh"], now=now, seconds=older_than.total_seconds(), limit=limit)
    return [row["connection_id"] for row in rows]


def secrets_of_older_keys(db: Queryable, newest: int, after: UUID, limit: int) -> list[Row]:
    """To be encrypted again, by the id of their connection."""
    return db.run(_SQL["secrets_of_older_keys"], newest=newest, after=after, limit=limit)


def encrypt_again(db: Queryable, newest: int, secrets: Sequence[Mapping[str, Any]]) -> int:
    """How many."""
    return len(db.run(_SQL["encrypt_again"], newest=newest, secrets=Rows(secrets)))


def take_plaintext(db: Queryable, connection_id: UUID) -> dict[str, Any]:
    """Empty where there is nothing to move; else the row is locked."""
    rows = db.run(_SQL["take_plaintext"], connection=connection_id)
    return dict(rows[0]["credentials"]) if rows else {}


def blank_plaintext(db: Queryable, connection_id: UUID) -> None:
    """In the transaction that stored them encrypted."""
    db.run(_SQL["blank_plaintext"], connection=connection_id)
