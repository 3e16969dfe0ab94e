"""Adds to the totals of campaigns what could not be added at once."""

from crm_relay.campaigns.watch import store
from crm_relay.platform.database import Queryable


def fold_totals(db: Queryable) -> int:
    """How many campaigns had changes that waited. Never waits for a lock; safe to call twice and side by side."""
    return store.fold_totals(db)
