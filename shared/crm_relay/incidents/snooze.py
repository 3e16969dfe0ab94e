"""Puts an incident off: until a time no alert of it is sent, and the page does not count it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_relay.incidents import store
from crm_relay.incidents.close_by_hand import OPERATOR
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput

LONGEST_HOURS = 168
"""Longer than a week nobody puts off what is wrong: it comes back by itself."""


@dataclass(frozen=True)
class IncidentSnoozed:
    """`snoozed_until` None: it counts. `changed` False: it was over already."""

    id: int
    kind: str
    snoozed_until: datetime | None
    snoozed_by: str | None
    changed: bool


def snooze(db: Queryable, incident_id: int, now: datetime, *, hours: int, who: str = OPERATOR) -> IncidentSnoozed:
    """Put it off for so many hours from now, or with 0 let it count again; safe to call twice.

    RejectedInput with 404 for no such incident.
    """
    until = now + timedelta(hours=hours) if hours else None
    found = store.snooze(db, incident_id, until=until, who=who if hours else None)
    if found is None:
        raise RejectedInput("there is no such incident", status=404)
    return IncidentSnoozed(**found)
