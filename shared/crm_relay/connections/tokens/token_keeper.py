"""Keeps one connection's token valid: however many workers meet its expiry, the vendor is asked once.

A worker takes the lease of the stored generation by compare-and-set, and commits; asks the vendor with no transaction
open; stores the answer where that generation is still the stored one. Everybody else polls, between statements, so that
behind a pooler no server connection waits for a vendor.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, assert_never
from uuid import UUID, uuid4

from crm_relay.connections.tokens import store
from crm_relay.connections.tokens.grants import read_grant, store_refreshed
from crm_relay.connections.tokens.models import EXPIRES_SOON, Grant, NewTokens
from crm_relay.connections.tokens.vault import Vault
from crm_relay.platform.clock import Clock
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, TransientError
from crm_relay.providers.connectors.access import AccountToken
from crm_relay.providers.connectors.failures import ReconnectNeeded
from crm_relay.providers.connectors.oauth_client import GrantRefused

Refresh = Callable[[str], NewTokens]
"""Asks the vendor with the refresh token. Raises GrantRefused, FatalError, TransientError."""

_POLL_SECONDS = 0.5
_PATIENCE_SECONDS = 90.0
"""Longer than a lease: behind a worker that died somebody else refreshes."""

_REST = timedelta(seconds=20)

_GONE = "the account has to be connected again"
Next = Literal["use", "refresh", "reconnect"]


def next_step(grant: Grant, now_and_margin: tuple[bool, bool], *, refused: int | None, can_refresh: bool) -> Next:
    """What to do with the stored grant. `now_and_margin`: whether it has expired, and whether it soon will have.

    `refused`: the generation that a vendor answered 401 to, None where nobody did.
    """
    has_expired, expires_soon = now_and_margin
    is_refused_token = refused is not None and grant.generation <= refused
    if grant.is_refused:
        return "reconnect"
    if not is_refused_token and not expires_soon:
        return "use"
    if can_refresh and grant.refresh_token is not None:
        return "refresh"
    return "reconnect" if is_refused_token or has_expired else "use"


@dataclass
class TokenKeeper:
    """Of one connection, for one run. `refresh` None: its tokens cannot be refreshed.

    `on_refused` is called once for a generation that the vendor refused for good, by the first worker that finds it.
    """

    db: Database
    vault: Vault
    connection_id: UUID
    refresh: Refresh | None
    clock: Clock
    sleep: Callable[[float], None]
    on_refused: Callable[[], None] = lambda: None
    on_failed: Callable[[Exception], None] = lambda _error: None
    refreshes: int = 0
    _rest_until: datetime | None = None
    _grant: Grant | None = field(default=None, repr=False)

    def token(self) -> AccountToken:
        """One that is valid now; a statement only where none is known or it expires soon.

        Raises ReconnectNeeded where the grant is gone, TransientError where the vendor cannot be asked now.
        """
        if self._grant is None or self._grant.expires_by(self._looks_ahead_to()):
            self._grant = self._settle(refused=None)
        return self._token_of(self._grant)

    def start_with(self, grant: Grant) -> None:
        """The stored one, which was just read; one that the vendor refused is settled as any other."""
        self._grant = None if grant.is_refused else grant

    def _looks_ahead_to(self) -> datetime:
        """A vendor that could not be asked rests for a while: the old token serves to its end."""
        now = self.clock()
        return now if self._rest_until is not None and now < self._rest_until else now + EXPIRES_SOON

    def after_refusal(self, generation: int) -> AccountToken:
        """What follows a token that the vendor answered 401 to. Errors as in `token`."""
        if self._grant is None or self._grant.generation <= generation:
            self._grant = self._settle(refused=generation)
        return self._token_of(self._grant)

    def renew(self) -> AccountToken:
        """Refresh now, though the token is still valid: what keeps an idle grant alive. Errors as in `token`."""
        current = self._read()
        if self.refresh is None or current.refresh_token is None:
            return self._token_of(current)
        self._grant = self._settle(refused=current.generation)
        return self._token_of(self._grant)

    def forget(self) -> None:
        """The next request reads the stored grant again."""
        self._grant = None

    def _settle(self, *, refused: int | None) -> Grant:
        waited = 0.0
        while True:
            grant, now = self._read(), self.clock()
            expiry = (grant.expires_by(now), grant.expires_by(now + EXPIRES_SOON))
            step = next_step(grant, expiry, refused=refused, can_refresh=self.refresh is not None)
            match step:
                case "use":
                    return grant
                case "reconnect":
                    raise self._refuse(grant)
                case "refresh":
                    is_still_good = not expiry[0] and refused is None
                    refreshed = self._refresh_once(grant, is_still_good=is_still_good)
                    if refreshed is not None:
                        return refreshed
                case _:
                    assert_never(step)
            if waited >= _PATIENCE_SECONDS:
                raise TransientError("another worker's refresh of the token takes too long")
            self.sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS

    def _refresh_once(self, grant: Grant, *, is_still_good: bool) -> Grant | None:
        """None: look again. `is_still_good`: the old token serves while the vendor, or another worker, is busy."""
        # Asked before the vendor: once a rotated token is in our hands it has to be stored, whatever is away by then.
        self.vault.prepare(self.db)
        lease = uuid4()
        if not store.take_refresh_lease(self.db, self.connection_id, grant.generation, lease):
            if is_still_good:
                self._rest_until = self.clock() + _REST
            return grant if is_still_good else None
        try:
            tokens = self._ask(grant)
        except GrantRefused:
            return self._after_invalid_grant(grant)
        except TransientError:
            store.release_refresh_lease(self.db, self.connection_id, lease)
            self._rest_until = self.clock() + _REST
            if is_still_good:
                return grant
            raise
        except FatalError as error:
            store.release_refresh_lease(self.db, self.connection_id, lease)
            self.on_failed(error)
            raise
        return store_refreshed(self.db, self.vault, grant, tokens, self.clock())

    def _ask(self, grant: Grant) -> NewTokens:
        refresh, token = self.refresh, grant.refresh_token
        if refresh is None or token is None:
            raise ReconnectNeeded(_GONE)
        self.refreshes += 1
        return refresh(token)

    def _after_invalid_grant(self, grant: Grant) -> Grant | None:
        """Another worker's newer grant is used; of the same one it is over."""
        now = self._read()
        if now.generation != grant.generation:
            return None
        raise self._refuse(grant)

    def _refuse(self, grant: Grant) -> ReconnectNeeded:
        if store.refuse_generation(self.db, self.connection_id, grant.generation):
            self.on_refused()
        return ReconnectNeeded(_GONE)

    def _read(self) -> Grant:
        grant = read_grant(self.db, self.vault, self.connection_id)
        if grant is None:
            raise ReconnectNeeded("no credentials are stored: " + _GONE)
        return grant

    def _token_of(self, grant: Grant) -> AccountToken:
        token = grant.token
        if token is None:
            raise ReconnectNeeded("the stored credentials have neither access_token nor api_key: " + _GONE)
        return token
