"""Whose token a caller has, at a bounded price for callers who have none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest

from crm_relay.operations.access import store
from crm_relay.operations.access.store import UsableToken
from crm_relay.operations.access.tokens import BOOTSTRAP, digest_of
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import TransientError
from crm_relay.platform.http.callers import Caller, Role
from crm_relay.platform.http.refusals import RefusalBudget

_USED_EVERY = timedelta(minutes=1)


@dataclass
class Doorkeeper:
    """Lives as long as its process, and remembers the hashes of the tokens that were valid when it last looked.

    A caller whose token is among them is looked up each time, so that one that was revoked opens nothing. All others
    share a budget, which refused tokens alone use up: once it is spent, a token that was made since the last look waits
    for at most a minute.
    """

    db: Queryable
    admin_token: str | None
    _seen: frozenset[str] = frozenset()
    _refusals: RefusalBudget = field(default_factory=RefusalBudget)
    _has_looked: bool = True

    def identify(self, authorization: str, now: datetime) -> Caller | None:
        """Whose token stands in a header Authorization; None for none, an unknown, an expired or a revoked one.

        All tokens are compared, so that the time tells nothing. ADMIN_TOKEN costs no statement, a named token one, and
        once a minute one more. TransientError while the database is away.
        """
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            return None
        digest = digest_of(given.strip())
        if self.admin_token and compare_digest(digest_of(self.admin_token), digest):
            return Caller(BOOTSTRAP, Role.ADMIN)
        usable = self._usable(digest, now)
        found = next((each for each in usable if compare_digest(each.sha256, digest)), None)
        if found is None:
            return None
        if found.last_used_at is None or now - found.last_used_at > _USED_EVERY:
            store.note_use(self.db, found.name, now)
        return Caller(found.name, Role[found.role.upper()], found.user_id)

    def _usable(self, digest: str, now: datetime) -> Sequence[UsableToken]:
        """Those in the database; none where a stranger's call is one too many."""
        is_new = not any(compare_digest(each, digest) for each in self._seen)
        if is_new:
            if self._refusals.is_spent(now):
                if not self._has_looked:
                    raise TransientError("tokens cannot be read")
                return ()
            self._refusals.spend(now)
        self._has_looked = False
        usable = store.usable(self.db, now)
        self._has_looked, self._seen = True, frozenset(each.sha256 for each in usable)
        if is_new and any(compare_digest(each, digest) for each in self._seen):
            self._refusals.give_back(now)
        return usable
