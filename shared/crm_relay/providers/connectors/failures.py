"""What can go wrong with a connected account, by what the engine does next.

Besides these a connector raises the errors of `HttpClient.send`: RateLimited, ServerFailed, NoAnswer and NotConnected
are an outage and count as no failure; RejectedInput is about the records of the request; any FatalError is a failure.
"""

from collections.abc import Sequence

from crm_relay.platform.errors import FatalError, TransientError


class ReconnectNeeded(FatalError):
    """The grant or the key is no longer valid: somebody has to connect the account again. Syncs wait for that."""


class PermissionMissing(FatalError):
    """The account is connected, but may not do this: 403, or a base or table that it does not see."""


class SchemaDrift(FatalError):
    """The other side lost fields that the mapping uses; `lost` are our names of them. Stops this stream alone."""

    def __init__(self, message: str, lost: Sequence[str]) -> None:
        super().__init__(message)
        self.lost = tuple(lost)


class BillingLimit(TransientError):
    """The plan's calls of this month are used up, as the vendor says: nothing is tried before the next month."""


class BudgetSpent(TransientError):
    """The requests that the connection may make this month are used up, by our own count."""


class TimeUsedUp(TransientError):
    """The next request has to wait for longer than the run lasts: progress is kept, and the next run goes on."""


class CursorLost(TransientError):
    """The other side no longer knows the cursor: the engine forgets it and begins a complete pass."""
