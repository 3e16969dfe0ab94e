"""Gives events that came before their customer was known to that customer."""

from crm_relay.engagement.store import match_waiting_events
from crm_relay.platform.database import Queryable

LIMIT = 5000
"""So many in one statement: while that many are returned, there are more."""


def match_waiting(db: Queryable) -> int:
    """How many events found their customer; their effects take place as if they had come now. Safe to call twice.

    One statement, which reads nothing but the events that wait.
    """
    return match_waiting_events(db, LIMIT)
