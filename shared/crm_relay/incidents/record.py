"""Opens and closes incidents, any number in one statement."""

from collections.abc import Sequence
from datetime import datetime

from crm_relay.incidents import store
from crm_relay.incidents.models import Incident, Kept
from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import Statement


def open_incidents(db: Queryable, incidents: Sequence[Incident], now: datetime) -> int:
    """How many of these were not open before, those included that open again. Safe to call twice and side by side.

    One that is open stays as it is. One that closed and was not yet told as over (tell.py waits a quiet time with that)
    continues, with its new title and the old `opened_at`: who flaps alerts once. In a transaction it takes effect with
    the rest of it, and is told only then.
    """
    return store.open_incidents(db, incidents, now) if incidents else 0


def opening(incidents: Sequence[Incident], now: datetime) -> Statement:
    """What `open_incidents` runs, to be sent with other statements."""
    return store.incidents_to_open(incidents, now)


def close_incidents(db: Queryable, kind: str, subjects: Sequence[str], now: datetime) -> int:
    """How many of these were open. Safe to call twice, with subjects that have no incident, and side by side."""
    return store.close_incidents(db, kind, subjects, now) if subjects else 0


def close_free_incidents(db: Queryable, kind: str, subjects: Sequence[str], now: datetime) -> int:
    """As `close_incidents`, for another look: one that is locked stays open until then, and holds up nobody."""
    return store.close_free_incidents(db, kind, subjects, now) if subjects else 0


def keep_open(
    db: Queryable, kind: str, incidents: Sequence[Incident], now: datetime, *, scope: str | None = None
) -> Kept:
    """Make these the open ones of `kind`, in the workspace `scope` or in all: the rest is over. Safe to call twice.

    No incidents means that all is well, so never call it after a look that failed. ValueError where one of them is of
    another kind, or of another workspace than `scope`: the next call would not find it again.
    """
    if any(each.kind != kind or scope not in (None, each.workspace_name) for each in incidents):
        raise ValueError(f"incidents of one kind and scope are compared at a time: {kind}")
    return store.keep_open(db, kind, incidents, now, scope)
