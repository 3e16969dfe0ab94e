"""Puts what happened into the ledger, a batch at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from crm_relay.consent.models import ConsentEvent
from crm_relay.consent.store import events_to_record, insert_events
from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import Statement


@dataclass(frozen=True)
class RecordedEvents:
    """`known` stood in the ledger already; `unusable` had no address of their channel and were left out."""

    new: int
    known: int
    unusable: int


def record_events(db: Queryable, events: Sequence[ConsentEvent]) -> RecordedEvents:
    """One statement for all of `events`; safe to call twice.

    An opt-out or a complaint also marks the customers who have that address. A consent that stands in `events` counts
    from its own time on; to lift a customer's own mark as well, use `grant_consent`. RejectedInput where a consent has
    no evidence or is dated ahead of the database's clock.
    """
    usable = [event for event in events if event.key is not None]
    new = insert_events(db, usable) if usable else 0
    return RecordedEvents(new, len(usable) - new, len(events) - len(usable))


def recording(events: Sequence[ConsentEvent]) -> Statement:
    """What `record_events` runs, to be sent with other statements; those without an address are left out."""
    return events_to_record([event for event in events if event.key is not None])
