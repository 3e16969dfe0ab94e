"""A grant as it is stored, and what a vendor answers about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.providers.connectors.access import AccountToken

EXPIRES_SOON = timedelta(minutes=5)
"""A token with less than this left is refreshed before the next request."""

REFRESH_AFTER = timedelta(hours=24)
"""A grant that expires is refreshed at least so often, so that an idle one is never lost for being idle."""


@dataclass(frozen=True)
class Grant:
    """What opens one account, decrypted. `credentials` are all of it: access_token, refresh_token or api_key."""

    connection_id: UUID
    generation: int
    credentials: Mapping[str, Any] = field(repr=False)
    expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    refreshed_at: datetime | None = None
    refresh_until: datetime | None = None
    is_refused: bool = False

    @property
    def access_token(self) -> str | None:
        """None: an account that is opened by a key."""
        return _text(self.credentials.get("access_token"))

    @property
    def refresh_token(self) -> str | None:
        """None where there is none (Mailchimp, keys)."""
        return _text(self.credentials.get("refresh_token"))

    @property
    def api_key(self) -> str | None:
        """None: an account that is opened by OAuth."""
        return _text(self.credentials.get("api_key"))

    @property
    def token(self) -> AccountToken | None:
        """What a request carries."""
        value = self.access_token or self.api_key
        return None if value is None else AccountToken(value, self.generation)

    def expires_by(self, moment: datetime) -> bool:
        """Whether the access token is of no use at that moment."""
        return self.expires_at is not None and self.expires_at <= moment


@dataclass(frozen=True)
class NewTokens:
    """What replaces a grant's tokens. `refresh_token` None: the vendor keeps the old one (Google)."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_in: float | None = None
    refresh_expires_in: float | None = None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
