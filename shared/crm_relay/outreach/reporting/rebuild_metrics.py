"""Makes a month's counters the sum of their log again."""

from datetime import date

from crm_relay.outreach import store
from crm_relay.platform.database import Queryable, Row


def first_of_month(text: str) -> date:
    """`2026-11` as its first day. ValueError for anything else."""
    return date.fromisoformat(f"{text}-01")


def rebuild_metrics(db: Queryable, month: str, *, dry_run: bool = False) -> list[Row]:
    """What differed, by workspace and metric; `month` is its first day in ISO form. Safe to call twice.

    By the difference and not to the value, so that deliveries which come in meanwhile stay counted.
    """
    drift = store.metric_drift(db, month)
    if drift and not dry_run:
        differences = [
            {
                "workspace_name": row["workspace_name"],
                "metric": row["metric"],
                "difference": row["logged"] - row["counted"],
            }
            for row in drift
        ]
        store.correct_metrics(db, month, differences)
    return drift
