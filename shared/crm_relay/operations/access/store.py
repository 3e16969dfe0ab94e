"""The SQL of the admin API's tokens."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


@dataclass(frozen=True)
class UsableToken:
    """One that is neither expired nor revoked."""

    name: str
    sha256: str
    role: str
    last_used_at: datetime | None
    user_id: UUID | None = None


@dataclass(frozen=True)
class StoredToken:
    """What may be shown of a token; `last_used_at` is to the minute. `user_id`: whose decisions its calls are."""

    name: str
    role: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    user_id: UUID | None = None


def create(
    db: Queryable,
    name: str,
    *,
    sha256: str,
    role: str,
    user_id: UUID | None,
    expires_at: datetime | None,
    created_by: str,
    now: datetime,
) -> bool:
    """False where the name is taken."""
    given = {"sha256": sha256, "role": role, "expires_at": expires_at, "created_by": created_by, "now": now}
    return bool(db.run(_SQL["create_token"], name=name, user_id=user_id, **given))


def colleague(db: Queryable, called: str) -> list[UUID]:
    """Those who are active and have this id or address, of any organization."""
    return [row["id"] for row in db.run(_SQL["colleague"], called=called)]


def usable(db: Queryable, now: datetime) -> list[UsableToken]:
    """In no order that depends on what is asked for."""
    return [UsableToken(**row) for row in db.run(_SQL["usable_tokens"], now=now)]


def note_use(db: Queryable, name: str, now: datetime) -> None:
    """For anyone who asks which tokens are still needed."""
    db.run(_SQL["note_token_use"], name=name, now=now)


def tokens(db: Queryable) -> list[StoredToken]:
    """The newest first."""
    return [StoredToken(**row) for row in db.run(_SQL["tokens"])]


def revoke(db: Queryable, name: str, now: datetime) -> StoredToken | None:
    """As it is afterwards; None for no such token."""
    rows = db.run(_SQL["revoke_token"], name=name, now=now)
    return StoredToken(**rows[0]) if rows else None


def create_link(
    db: Queryable,
    *,
    sha256: str,
    role: str,
    user_id: UUID | None,
    created_by: str,
    expires_at: datetime,
    now: datetime,
) -> None:
    """Forgets links that ended a day ago."""
    db.run(
        _SQL["create_link"],
        sha256=sha256,
        role=role,
        user_id=user_id,
        created_by=created_by,
        expires_at=expires_at,
        now=now,
    )


def use_link(
    db: Queryable, *, sha256: str, name: str, token_sha256: str, expires_at: datetime, now: datetime
) -> Row | None:
    """name and role of the token that it made; None for a link that is unknown, used or too old."""
    rows = db.run(_SQL["use_link"], sha256=sha256, name=name, token_sha256=token_sha256, expires_at=expires_at, now=now)
    return rows[0] if rows else None
