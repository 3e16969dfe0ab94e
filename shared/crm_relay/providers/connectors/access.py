"""What a connector's client is given to reach the account: tokens that are valid now, and permits to send requests."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class AccountToken:
    """A bearer token or an API key, and the generation of the grant that it is of (a key stays at its first one)."""

    value: str = field(repr=False)
    generation: int


class Access(Protocol):
    """One connected account. `AuthorizedClient` asks all of it; a connector rarely has to."""

    def take_permit(self, units: int = 1) -> None:
        """Before each request: waits until the limits of the account allow it.

        Raises BudgetSpent, BillingLimit or TimeUsedUp instead of waiting for longer than the run lasts.
        """

    def token(self) -> AccountToken:
        """Before each request: a token that does not expire in the next minutes; refreshed here where it would.

        Raises ReconnectNeeded where the grant is gone, TransientError where the vendor cannot be asked now.
        """

    def after_refusal(self, refused: AccountToken) -> AccountToken:
        """After a 401: the token to repeat the request with, once.

        A newer generation where one is stored (a refresh kills the former access token at some vendors), else the grant
        is refreshed. Raises ReconnectNeeded where that token was of a key or the grant is gone; errors as in `token`.
        """

    def slow_down(self, seconds: float) -> None:
        """After a 429: nobody sends a request to this account for so long, in any process."""

    def pause(self, seconds: float) -> None:
        """Before something is asked for again that was not ready. Raises TimeUsedUp instead of waiting too long."""
