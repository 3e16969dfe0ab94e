"""Compares EmailBison's own totals of each account with what its webhooks told us, and fills in what never came."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_relay.outreach import store
from crm_relay.platform.database import Queryable, Row

SETTLING = timedelta(hours=1)
"""So long a webhook may take, retries included, before it counts as lost."""


@dataclass(frozen=True)
class Reconciled:
    """`gaps`: account_id, metric and missing, each; negative where more was counted than EmailBison shows."""

    workspace_name: str
    gaps: list[Row]

    @property
    def missing(self) -> int:
        """Events that never came."""
        return sum(row["missing"] for row in self.gaps if row["missing"] > 0)


def reconcile(
    db: Queryable, workspace_name: str, now: datetime, *, fills: bool = True, settling: timedelta = SETTLING
) -> Reconciled:
    """Totals that were noted at least `settling` ago are compared, then the present ones are noted. Safe to call twice.

    What is missing is counted in the log's rows of origin `polled`; a delivery that arrives after all takes its place.
    """
    gaps = store.settle(db, workspace_name, settled_before=now - settling, fills=fills)
    if fills:
        store.begin_settling(db, workspace_name)
    return Reconciled(workspace_name, gaps)
