"""Tries a key that is stored nowhere yet."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.limits.limiter import Limiter
from crm_relay.connections.limits.of_connection import limits_of
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Queryable
from crm_relay.providers.connectors.access import AccountToken
from crm_relay.providers.connectors.failures import ReconnectNeeded

_SECONDS = 20.0
"""Somebody waits for the answer."""


@dataclass(frozen=True)
class GivenKey:
    """Access by this key alone: no stored grant stands in for one that the vendor refuses."""

    limiter: Limiter
    key: str = field(repr=False)

    def take_permit(self, units: int = 1) -> None:
        """As Access.take_permit."""
        self.limiter.take(units)

    def token(self) -> AccountToken:
        """The key."""
        return AccountToken(self.key, 0)

    def after_refusal(self, _refused: AccountToken) -> AccountToken:
        """There is no other one."""
        raise ReconnectNeeded("the vendor refuses the key")

    def slow_down(self, seconds: float) -> None:
        """As Access.slow_down."""
        self.limiter.slow_down(seconds)

    def pause(self, seconds: float) -> None:
        """As Access.pause."""
        self.limiter.pause(seconds)


def key_opens(
    db: Queryable,
    context: ConnectionContext,
    integration: str,
    settings: Mapping[str, Any],
    connection_id: UUID,
    key: str,
) -> bool:
    """By one light request. Raises RejectedInput for wrong settings, TransientError where the vendor is away."""
    setup = context.setup(integration)
    limits = limits_of(setup.connector, settings, connection_id)
    limiter = Limiter(db, limits, Deadline.after(_SECONDS), sleep=context.sleep or time.sleep)
    try:
        setup.open_account(GivenKey(limiter, key), settings).info()
    except ReconnectNeeded:
        return False
    finally:
        limiter.finish()
    return True
