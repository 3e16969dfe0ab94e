"""Compares EmailBison's own totals of each account with what its webhooks told us, and fills in what never came."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_relay.outreach import store
from crm_relay.outreach.decisions import explain_gaps, judge_totals
from crm_relay.outreach.models import TotalsGap
from crm_relay.platform.database import Database, Transaction

SETTLING = timedelta(hours=1)
"""So long a webhook may take, retries included, before it counts as lost."""


@dataclass(frozen=True)
class Reconciled:
    """`gaps`: where the totals and what was counted disagree."""

    workspace_name: str
    gaps: list[TotalsGap]

    @property
    def missing(self) -> int:
        """Events that never came."""
        return sum(gap.missing for gap in self.gaps if gap.missing > 0)


def reconcile(
    db: Database, workspace_name: str, now: datetime, *, fills: bool = True, settling: timedelta = SETTLING
) -> Reconciled:
    """Totals that were noted at least `settling` ago are compared, then the present ones are noted. Safe to call twice.

    What is missing is counted in the log's rows of origin `polled`; a delivery that arrives after all takes its place.
    Without `fills` nothing is written. Two messages, however many accounts there are.
    """

    def work(transaction: Transaction) -> Reconciled:
        accounts, loose = store.totals_to_settle(transaction, workspace_name, now - settling)
        gaps, named = explain_gaps([gap for account in accounts for gap in judge_totals(account)], loose)
        if fills:
            transaction.finish(list(store.settling(workspace_name, accounts, gaps, named, now - settling)))
        return Reconciled(workspace_name, [gap for gap in gaps if gap.missing])

    return db.transact(work)
