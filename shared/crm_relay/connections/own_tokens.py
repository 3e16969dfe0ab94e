"""The tokens of one BaseIntegrationSync, also where a subclass refreshes them itself."""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from crm_relay.connections import trouble
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.store import ConnectionRow
from crm_relay.connections.tokens.grants import put_grant, read_grant
from crm_relay.connections.tokens.models import NewTokens
from crm_relay.connections.tokens.token_keeper import Refresh, TokenKeeper
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, TransientError, describe_error
from crm_relay.platform.logging import logger
from crm_relay.providers.connectors.oauth_client import ProviderOAuth


class _Owner(Protocol):
    """What is used of BaseIntegrationSync."""

    @property
    def db(self) -> Database: ...
    @property
    def context(self) -> ConnectionContext: ...
    @property
    def connection(self) -> ConnectionRow: ...
    def now(self) -> Any: ...
    def refresh_oauth_token(self) -> str: ...
    def log_activity(self, activity: Mapping[str, Any]) -> None: ...


class OwnTokens:
    """Of one connection. A subclass's `refresh_oauth_token` runs inside the lease, as our own refresh does."""

    def __init__(self, owner: _Owner, connection_id: UUID, *, is_own: bool = True) -> None:
        self._owner = owner
        self._connection_id = connection_id
        self._captured: NewTokens | None = None
        self._is_refreshing = False
        setup = owner.context.setups.get(owner.connection.integration_type)
        refresh: Refresh | None = None
        if not is_own:
            refresh = self._by_subclass
        elif setup is not None and setup.oauth is not None and setup.oauth.endpoints.expires:
            refresh = refresh_by(setup.oauth)
        self.keeper = TokenKeeper(
            db=owner.db,
            vault=owner.context.vault,
            connection_id=connection_id,
            refresh=refresh,
            clock=owner.now,
            sleep=owner.context.sleep or time.sleep,
            on_refused=self._refused,
            on_failed=self._failed,
        )

    def ensure_valid(self) -> bool:
        """Whether the stored grant was replaced. A connection without credentials has nothing to keep valid."""
        before = read_grant(self._owner.db, self._owner.context.vault, self._connection_id)
        if before is None:
            return False
        self.keeper.start_with(before)
        return self.keeper.token().generation != before.generation

    def renew(self) -> str:
        """The new access token."""
        return self.keeper.renew().value

    def forget(self) -> None:
        """The next use reads the stored grant."""
        self.keeper.forget()

    def update(self, tokens: Mapping[str, Any]) -> None:
        """A provider's answer. Inside a refresh the holder of the lease stores it; else it is stored at once."""
        new = new_tokens(tokens)
        if self._is_refreshing:
            self._captured = new
            return
        owner = self._owner
        vault = owner.context.vault
        before = read_grant(owner.db, vault, self._connection_id)
        credentials = {**(before.credentials if before else {}), "access_token": new.access_token}
        if new.refresh_token is not None:
            credentials["refresh_token"] = new.refresh_token
        expires_at = None if new.expires_in is None else owner.now() + timedelta(seconds=new.expires_in)
        put_grant(owner.db, vault, self._connection_id, credentials, expires_at)
        self.keeper.forget()

    def _by_subclass(self, _refresh_token: str) -> NewTokens:
        self._captured, self._is_refreshing = None, True
        try:
            self._owner.refresh_oauth_token()
        except (TransientError, FatalError):
            raise
        except Exception as error:
            raise FatalError(f"the refresh of the token failed: {describe_error(error)}") from error
        finally:
            self._is_refreshing = False
        if self._captured is None:
            raise FatalError("refresh_oauth_token did not call update_oauth_tokens")
        return self._captured

    def _refused(self) -> None:
        """Once for a grant: somebody is asked to connect the account again."""
        connection, now = self._owner.connection, self._owner.now()
        trouble.report(self._owner.db, connection, trouble.RECONNECT, "the vendor refuses the grant", now)
        self._log("the vendor refuses the grant")

    def _failed(self, error: Exception) -> None:
        self._log(describe_error(error))

    def _log(self, reason: str) -> None:
        logger().warning("a token could not be refreshed", connection=str(self._connection_id), reason=reason)
        self._owner.log_activity(
            {"action": "oauth_refresh_failed", "success": False, "records_affected": 0, "error_message": reason}
        )


def refresh_by(client: ProviderOAuth) -> Refresh:
    """At the provider."""

    def refresh(refresh_token: str) -> NewTokens:
        answer = client.refresh(refresh_token)
        return NewTokens(answer.access_token, answer.refresh_token, answer.expires_in, answer.refresh_expires_in)

    return refresh


def new_tokens(answer: Mapping[str, Any]) -> NewTokens:
    """Of a provider's answer as it is. Raises FatalError without an access_token."""
    access, refresh = answer.get("access_token"), answer.get("refresh_token")
    if not isinstance(access, str) or not access:
        raise FatalError("the answer has no access_token")
    try:
        seconds = float(answer.get("expires_in") or 0)
    except (TypeError, ValueError):
        seconds = 0.0
    return NewTokens(
        access, refresh if isinstance(refresh, str) and refresh else None, seconds if seconds > 0 else None
    )
