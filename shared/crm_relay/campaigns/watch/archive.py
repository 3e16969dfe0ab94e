"""Moves the log of sequences that ended long ago out of the way; what each step reached stays accounted for."""

from datetime import datetime, timedelta

from crm_relay.campaigns.watch import store
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Queryable

KEPT = timedelta(days=90)
_BATCH = 5000
_BATCH_SECONDS = 5.0


def archive_lines(db: Queryable, now: datetime, deadline: Deadline) -> int:
    """How many lines of the log went to the archive; a statement for 5,000, until none is left or time is up.

    Those of enrollments that nothing has happened to for 90 days since they ended. Safe to call twice and side by side.
    """
    archived = 0
    while deadline.allows(_BATCH_SECONDS):
        moved = store.archive_lines(db, before=now - KEPT, limit=_BATCH)
        archived += moved
        if moved < _BATCH:
            break
    return archived
