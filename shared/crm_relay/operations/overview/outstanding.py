"""What the head of the operator's page says: what is open, and what waits for a person."""

from dataclasses import dataclass
from datetime import datetime

from crm_relay.operations.overview import store
from crm_relay.platform.database import Queryable


@dataclass(frozen=True)
class Outstanding:
    """Each is counted up to MOST_COUNTED; one more means "more than that". The page is green where all are 0.

    `incidents` leaves out the `snoozed` ones. `unknown_messages`: of an unclear outcome. `failed_tasks`: given up.
    `deliveries`: kept and without effect so far, for more than a minute.
    """

    incidents: int
    snoozed: int
    failed_tasks: int
    deliveries: int
    unknown_messages: int
    approvals: int


def outstanding(db: Queryable, now: datetime) -> Outstanding:
    """One statement."""
    return Outstanding(**store.outstanding(db, now))
