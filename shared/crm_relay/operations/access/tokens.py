"""Named tokens of the admin API: made once, kept as a hash, compared in constant time."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.operations.access import store
from crm_relay.operations.access.store import StoredToken
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.callers import Role

BOOTSTRAP = "admin"
"""The name of the token in ADMIN_TOKEN; it is in no table and may do everything."""

NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"
_RESERVED = {BOOTSTRAP, "schedule", "operator"}
_PREFIX = "crm_relay_"


@dataclass(frozen=True)
class NewToken:
    """`token` is shown once and kept nowhere. `user_id`: the colleague whose decisions its calls are."""

    name: str
    role: str
    expires_at: datetime | None
    token: str
    user_id: UUID | None = None


def create_token(
    db: Queryable,
    name: str,
    role: Role,
    *,
    expires_at: datetime | None,
    created_by: str,
    now: datetime,
    user: str | None = None,
) -> NewToken:
    """`user`: id or address of the colleague who gets it; None: a token that is nobody's, which approves nothing.

    RejectedInput: 422 for a name that may not be, 409 for one that was used before, also by a revoked token.
    """
    if not re.match(NAME, name) or name in _RESERVED:
        raise RejectedInput("the name must be lower-case letters, digits, dot, dash or underline", status=422)
    user_id = None if user is None else colleague_called(db, user)
    token = _PREFIX + secrets.token_urlsafe(32)
    made = store.create(
        db,
        name,
        sha256=digest_of(token),
        role=role.name.lower(),
        user_id=user_id,
        expires_at=expires_at,
        created_by=created_by,
        now=now,
    )
    if not made:
        raise RejectedInput("there is or was a token of this name", status=409)
    return NewToken(name, role.name.lower(), expires_at, token, user_id)


def colleague_called(db: Queryable, called: str) -> UUID:
    """By id or address. RejectedInput with 422 for nobody who is active, and for an address that several have."""
    found = store.colleague(db, called)
    if len(found) != 1:
        why = "several colleagues have this address: name one by the id" if found else "no active colleague"
        raise RejectedInput("the colleague is not known", status=422, details=[why])
    return found[0]


def list_tokens(db: Queryable) -> list[StoredToken]:
    """All that there ever were, the newest first."""
    return store.tokens(db)


def revoke_token(db: Queryable, name: str, now: datetime) -> StoredToken:
    """Safe to call twice. RejectedInput with 404 for no such token."""
    found = store.revoke(db, name, now)
    if found is None:
        raise RejectedInput("no such token", status=404)
    return found


def digest_of(token: str) -> str:
    """A token has 256 random bits: no salt and no slow hash is needed."""
    return hashlib.sha256(token.encode(errors="backslashreplace")).hexdigest()
