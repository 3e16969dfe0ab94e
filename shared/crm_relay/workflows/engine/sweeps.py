"""Wakes runs for which what they wait for is there, and repairs what a crash, SQL or a lost wake-up left behind."""

from datetime import datetime, timedelta
from typing import NamedTuple

from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__, "sweeps.sql")

# An event that was committed later than this is found by `repair_runs`, or at the time-out of the wait.
_EVENTS_ARE_LOOKED_AT = timedelta(minutes=15)


class Repaired(NamedTuple):
    """How many runs go on. `released`: they were behind a run that is over. `stuck`: they waited for nothing.

    `ended` are those of deleted workflows; `stopped`: SQL had ended or paused them and left them their time or wait.
    """

    released: int
    stuck: int
    answered: int
    happened: int
    ended: int
    stopped: int


def wake_waiting(db: Queryable, now: datetime) -> int:
    """One statement: runs whose event came in the last minutes, or whose webhook was answered, are due now."""
    return len(db.run(_SQL["wake_waiting"], now=now, since=now - _EVENTS_ARE_LOOKED_AT))


def repair_runs(db: Queryable, now: datetime) -> Repaired:
    """One statement; safe to call at any time, beside any number of workers."""
    return Repaired(**db.run(_SQL["repair_runs"], now=now)[0])
