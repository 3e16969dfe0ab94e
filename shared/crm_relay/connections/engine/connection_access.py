"""What a connector's client is given: permits of the limiter, and tokens of the keeper."""

from dataclasses import dataclass

from crm_relay.connections.limits.limiter import Limiter
from crm_relay.connections.tokens.token_keeper import TokenKeeper
from crm_relay.providers.connectors.access import AccountToken


@dataclass(frozen=True)
class ConnectionAccess:
    """Of one connection, for one run."""

    limiter: Limiter
    keeper: TokenKeeper

    def take_permit(self, units: int = 1) -> None:
        """As Access.take_permit."""
        self.limiter.take(units)

    def token(self) -> AccountToken:
        """As Access.token."""
        return self.keeper.token()

    def after_refusal(self, refused: AccountToken) -> AccountToken:
        """As Access.after_refusal."""
        return self.keeper.after_refusal(refused.generation)

    def slow_down(self, seconds: float) -> None:
        """As Access.slow_down."""
        self.limiter.slow_down(seconds)

    def pause(self, seconds: float) -> None:
        """As Access.pause."""
        self.limiter.pause(seconds)
