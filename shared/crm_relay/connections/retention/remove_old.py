"""Removes what was kept for long enough: lines of logs, unfinished OAuth starts, and the texts of pitches."""

from dataclasses import dataclass
from datetime import datetime

from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


@dataclass(frozen=True)
class RemovedOld:
    """How many; `texts` of pitches."""

    logs: int
    activity: int
    texts: int


def remove_old(
    db: Queryable, lines_before: datetime, texts_before: datetime, now: datetime, *, limit: int
) -> RemovedOld:
    """At most `limit` of each."""
    logs = len(db.run(_SQL["remove_old_logs"], before=lines_before, limit=limit))
    activity = len(db.run(_SQL["remove_old_activity"], before=lines_before, limit=limit))
    db.run(_SQL["remove_old_states"], before=now)
    texts = len(db.run(_SQL["empty_old_pitches"], before=texts_before, limit=limit))
    return RemovedOld(logs, activity, texts)
