"""Removes events that were handled long ago."""

from datetime import datetime, timedelta

from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.workflows.events import store

KEPT_DAYS = 30
"""So long a draft can be rehearsed over what happened, and a start be explained."""

_BATCH = 5000
_SECONDS = 15.0


def remove_old_events(db: Database, now: datetime, deadline: Deadline, *, days: int = KEPT_DAYS) -> int:
    """How many went; in batches, as long as time allows. What waits to be handled stays, however old."""
    removed = 0
    while deadline.allows(_SECONDS):
        done = store.remove_old(db, before=now - timedelta(days=days), limit=_BATCH)
        removed += done
        if done < _BATCH:
            break
    return removed
