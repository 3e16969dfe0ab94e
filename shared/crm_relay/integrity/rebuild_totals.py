"""Makes the totals of campaigns what their enrollments and their log say again."""

from crm_relay.integrity import store
from crm_relay.platform.database import Queryable, Row


def rebuild_totals(db: Queryable, *, dry_run: bool = False) -> list[Row]:
    """What differed: campaign_id, total (its column), counted (what stood there), logged (what the rows say).

    Safe to call twice. By the difference and not to the value, so that steps taken meanwhile stay counted.
    """
    drift = store.total_drift(db)
    if drift and not dry_run:
        differences = [
            {"campaign_id": row["campaign_id"], row["total"]: row["logged"] - row["counted"]} for row in drift
        ]
        store.correct_totals(db, differences)
    return drift
