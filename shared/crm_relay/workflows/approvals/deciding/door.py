"""The public door of approvals: whose link it is, at a bounded price for links that are nobody's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crm_relay.platform.errors import TransientError
from crm_relay.platform.http.refusals import RefusalBudget
from crm_relay.workflows.approvals.links import is_signed_approval, may_be_approval_token
from crm_relay.workflows.approvals.overview import ApprovalShown

_MOST_UNKNOWN = 30
"""More than colleagues open of approvals whose runs were removed."""


@dataclass(frozen=True)
class ApprovalDoor:
    """Lives as long as its process. A link that we signed is looked up each time.

    All others share a budget that only unknown ones spend: once it is spent, nothing is looked up for them.
    """

    signed_with: Sequence[str]
    find: Callable[[str], ApprovalShown | None]
    refusals: RefusalBudget = field(default_factory=lambda: RefusalBudget(_MOST_UNKNOWN))

    def approval(self, token: str, now: datetime) -> ApprovalShown | None:
        """None: nobody's. TransientError: that cannot be known now, or strangers try links."""
        if not may_be_approval_token(token):
            return None
        if self.refusals.is_spent(now) and not is_signed_approval(token, self.signed_with):
            raise TransientError("too many unknown links")
        found = self.find(token)
        if found is None:
            self.refusals.spend(now)
        return found
