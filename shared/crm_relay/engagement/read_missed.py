"""Reads opens and clicks of a gap from Mautic's own tables: the events that its webhook did not bring."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from crm_relay.engagement.apply_events import apply_events
from crm_relay.engagement.models import ContactDirectory
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.providers.mautic.statistics.client import EventPage, MauticStatistics

_PAGE_SECONDS = 130.0
"""What one page may take: Mautic has no index on the time of the last open and looks through its table."""


@dataclass
class Missed:
    """How far the tables were read (None: to the end), and what became of the events that were found.

    `known` had come by webhook after all, or were read before; `unmatched` wait for their customer.
    """

    opens_after: int | None
    clicks_after: int | None
    added: int = 0
    unmatched: int = 0
    known: int = 0
    unreadable: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left for another time."""
        return self.opens_after is None and self.clicks_after is None

    def answer(self) -> dict[str, object]:
        """The function's answer."""
        counts = {"added": self.added, "unmatched": self.unmatched, "known": self.known, "unreadable": self.unreadable}
        return {**counts, "complete": self.is_complete}


def read_missed(
    database: Database,
    statistics: MauticStatistics,
    contacts: ContactDirectory,
    missed: Missed,
    since: datetime,
    deadline: Deadline,
    remember: Callable[[Missed], None],
) -> None:
    """Go on where `missed` stands, page by page: two messages each, and `remember` after each.

    An event has the same key whether a row or the webhook tells of it, so it is safe to call twice, and in any company.
    Ends without an error where the deadline is near. Raises TransientError, FatalError.
    """
    while missed.opens_after is not None and deadline.allows(_PAGE_SECONDS):
        page = statistics.opens(since, missed.opens_after)
        _apply(database, contacts, missed, page)
        missed.opens_after = page.after
        remember(missed)
    while missed.clicks_after is not None and deadline.allows(_PAGE_SECONDS):
        page = statistics.clicks(since, missed.clicks_after)
        _apply(database, contacts, missed, page)
        missed.clicks_after = page.after
        remember(missed)


def _apply(database: Database, contacts: ContactDirectory, missed: Missed, page: EventPage) -> None:
    missed.unreadable += page.unreadable
    if page.events:
        counts = apply_events(database, page.events, contacts)
        missed.added += counts["processed"]
        missed.unmatched += counts["unmatched"]
        missed.known += counts["duplicates"]
        missed.unreadable += len(page.events) - counts.total()
