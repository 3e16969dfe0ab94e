"""Calls without a valid token: nothing of them is kept but their number, and ten in a row raise one alert.

Only the token says whose call it was: a body could name any workspace, and raise an alert in its name.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import open_incidents
from crm_relay.outreach import store
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import FatalError, TransientError
from crm_relay.platform.http.refusals import RefusalBudget
from crm_relay.platform.logging import count_metric, logger

ALERT_AT = 10
UNKNOWN = "unknown"
"""What a call is filed under whose token was never one of ours."""


def _budget() -> RefusalBudget:
    """More than make an alert: a row may be cut short by a good delivery, and one may not be recorded at once."""
    return RefusalBudget(3 * ALERT_AT)


@dataclass
class RefusedCalls:
    """Counts them in the database within a budget: anybody can call at any rate, with any token.

    A workspace's own budget is for its retired tokens, which only somebody has who once had the right one.
    """

    _budgets: defaultdict[str | None, RefusalBudget] = field(default_factory=lambda: defaultdict(_budget))

    def note(self, db: Queryable, workspace: str | None, now: datetime) -> None:
        """One call more, with a retired token of `workspace`; None: with an unknown token. Never raises."""
        count_metric("RejectedCalls", source="bison")
        budget = self._budgets[workspace]
        if budget.is_spent(now):
            return
        budget.spend(now)
        try:
            in_a_row = note_rejection(db, workspace, now)
        except (TransientError, FatalError) as error:
            logger().warning("refused call not counted", kind=type(error).__name__)
            return
        if in_a_row >= ALERT_AT:
            budget.spend_all(now)


def note_rejection(db: Queryable, workspace: str | None, now: datetime) -> int:
    """How many in a row there were. One statement, a second one from the tenth on; a good delivery begins a new row."""
    in_a_row, claimed = store.note_rejection(db, workspace or UNKNOWN, now)
    # From the tenth on, so that one which could not be reported is reported by the next.
    if in_a_row >= ALERT_AT:
        open_incidents(db, [_mismatch(claimed)], now)
    return in_a_row


def _mismatch(claimed: str) -> Incident:
    title = "Webhooks are rejected, ten in a row: probable secret mismatch between EmailBison and BISON_WEBHOOK_TOKENS"
    return Incident("secret_mismatch", claimed, title, None if claimed == UNKNOWN else claimed)
