"""The SQL of what a run of campaigns looks after."""

from datetime import datetime, timedelta

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def fold_totals(db: Queryable) -> int:
    """How many campaigns had changes that were added now."""
    return int(db.run(_SQL["fold_totals"])[0]["campaigns"])


def locked_campaigns(db: Queryable, now: datetime, patience: timedelta) -> list[Row]:
    """id and name. To be called in a transaction: it waits for the claimers' turn, and holds it until the end."""
    db.run(_SQL["wait_for_claimers"])
    return db.run(_SQL["locked_campaigns"], before=now - patience, patience=f"{patience.total_seconds():.0f} seconds")
