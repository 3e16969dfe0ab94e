"""Links that sign in to the operator's page, once and for minutes; their code is kept as a hash, and makes a token."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crm_relay.operations.access import store
from crm_relay.operations.access.tokens import colleague_called, digest_of
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.callers import Role
from crm_relay.platform.http.refusals import RefusalBudget

CODE = r"^[A-Za-z0-9_-]{43}$"
"""256 random bits."""

LONGEST_MINUTES = 60
_SESSION = timedelta(hours=12)
_PREFIX = "crm_relay_"


@dataclass(frozen=True)
class SignInLink:
    """`code` is shown once and kept nowhere; it stands behind the # of an address, which no server is sent."""

    code: str
    role: str
    expires_at: datetime

    def address(self, base_url: str) -> str:
        """Of the page, which exchanges the code."""
        return f"{base_url.rstrip('/')}/dashboard#/sign-in/{self.code}"


@dataclass(frozen=True)
class Session:
    """`token` is shown this once; `name` is what is recorded with what is done by it."""

    name: str
    role: str
    token: str
    expires_at: datetime


def make_link(
    db: Queryable, role: Role, now: datetime, *, minutes: int, created_by: str, user: str | None = None
) -> SignInLink:
    """`user`: id or address of the colleague whose decisions the session's are; RejectedInput with 422 for none."""
    user_id = None if user is None else colleague_called(db, user)
    link = SignInLink(secrets.token_urlsafe(32), role.name.lower(), now + timedelta(minutes=minutes))
    store.create_link(
        db,
        sha256=digest_of(link.code),
        role=link.role,
        user_id=user_id,
        created_by=created_by,
        expires_at=link.expires_at,
        now=now,
    )
    return link


@dataclass
class SignIn:
    """Lives as long as its process, and bounds what wrong codes cost."""

    db: Queryable
    _refusals: RefusalBudget = field(default_factory=RefusalBudget)

    def exchange(self, code: str, now: datetime) -> Session:
        """The session of a link, once: of two who come with the same code, one gets it. One statement.

        RejectedInput: 401 for a code that is unknown, used or too old, 429 after too many of them.
        """
        if self._refusals.is_spent(now):
            raise RejectedInput("too many wrong links: try again in a minute", status=429)
        self._refusals.spend(now)
        token, until = _PREFIX + secrets.token_urlsafe(32), now + _SESSION
        made = store.use_link(
            self.db,
            sha256=digest_of(code),
            name=f"page-{secrets.token_hex(4)}",
            token_sha256=digest_of(token),
            expires_at=until,
            now=now,
        )
        if made is None:
            raise RejectedInput("this link was used before, or is too old: ask for another one", status=401)
        self._refusals.give_back(now)
        return Session(made["name"], made["role"], token, until)
