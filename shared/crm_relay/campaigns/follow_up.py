"""What the events of mails and the wishes of their readers mean for anyone who is enrolled; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.decisions import ENDS_AS
from crm_relay.mail.decisions import has_left
from crm_relay.mail.feedback.mail_names import Departure
from crm_relay.platform.database import Row

LIVE = frozenset({"active", "engaged"})
RUNNING = LIVE | {"paused"}
"""What still may be ended."""

_OPEN, _CLICK, _MOST = 10, 25, 100
_ANYBODY = UUID(int=0)


@dataclass(frozen=True)
class Enrolled:
    """An enrollment that something happens to."""

    id: UUID
    status: str
    emails_opened: int = 0
    emails_clicked: int = 0
    engagement_score: int = 0
    first_opened_at: datetime | None = None
    first_clicked_at: datetime | None = None
    last_engagement_at: datetime | None = None
    next_step_at: datetime | None = None
    held_for: str | None = None
    stopped_reason: str | None = None
    replied_at: datetime | None = None
    thread_id: str | None = None

    @classmethod
    def of(cls, row: Row) -> "Enrolled":
        """A row that has these columns, among others."""
        return cls(**{each.name: row[each.name] for each in fields(cls)})


@dataclass(frozen=True)
class Membership:
    """Where an enrollment belongs: the organization, the topic of its campaign, and the addresses it was written to."""

    org_id: UUID
    topic: str | None
    addresses: frozenset[str] = field(default_factory=frozenset)


def engaged(enrolled: Enrolled, mails: Iterable[Row]) -> Enrolled:
    """By all mails of the enrollment: what a scanner did counts for nothing, in whatever order it came."""
    rows = list(mails)
    opens, clicks = sum(row["human_opens"] for row in rows), sum(row["human_clicks"] for row in rows)
    status = "engaged" if opens + clicks else "active"
    return replace(
        enrolled,
        emails_opened=opens,
        emails_clicked=clicks,
        engagement_score=min(_MOST, _OPEN * opens + _CLICK * clicks),
        first_opened_at=_first(rows, "first_human_open_at"),
        first_clicked_at=_first(rows, "first_human_click_at"),
        last_engagement_at=max((row["last_human_at"] for row in rows if row["last_human_at"]), default=None),
        status=status if enrolled.status in LIVE else enrolled.status,
    )


def stopped(enrolled: Enrolled, status: str, reason: str) -> Enrolled:
    """The first end wins: a sequence that has ended stays as it is."""
    if enrolled.status not in RUNNING:
        return enrolled
    return replace(enrolled, status=status, next_step_at=None, held_for=None, stopped_reason=reason)


def stopped_by_status(statuses: Iterable[str], status: str, reason: str) -> dict[str, tuple[str, str | None]]:
    """For many at once: what becomes of people with one of these statuses, as `stopped` decides it; only what changes.

    Each with the status after it and the reason.
    """
    before = {each: Enrolled(_ANYBODY, each) for each in statuses}
    after = {each: stopped(enrolled, status, reason) for each, enrolled in before.items()}
    return {
        each: (enrolled.status, enrolled.stopped_reason) for each, enrolled in after.items() if enrolled != before[each]
    }


def concerns(departure: Departure, place: Membership) -> bool:
    """Whether the departure ends a sequence at this place."""
    return (
        departure.address in place.addresses
        and departure.org_id in (None, place.org_id)
        and departure.topic in (None, place.topic)
    )


def status_after(reason: str) -> str:
    """How a sequence ends by this word."""
    return ENDS_AS.get(reason, "stopped")


def departed(
    enrolled: Mapping[UUID, Enrolled], places: Mapping[UUID, Membership], departures: Sequence[Departure]
) -> tuple[dict[UUID, Enrolled], dict[UUID, str]]:
    """Those enrollments after all departures, in their order; and why what is queued for each is taken back."""
    after = dict(enrolled)
    reasons: dict[UUID, str] = {}
    for departure in departures:
        for key, place in places.items():
            if concerns(departure, place):
                reasons.setdefault(key, departure.reason)
                after[key] = stopped(after[key], status_after(departure.reason), departure.reason)
    return after, reasons


def departures_of(fates: Iterable[Row]) -> list[Departure]:
    """Who leaves by what became of these mails; the address is to get nothing more from anybody here."""
    return [
        Departure(row["address"], "complaint" if row["complained_at"] is not None else "hard_bounce")
        for row in fates
        if row["address"] is not None and (row["complained_at"] is not None or row["bounce_type"] == "permanent")
    ]


def proven(line: str | None, statuses: Iterable[str]) -> str | None:
    """The first status of a mail that settles the step's open `line`, of those behind each event; None: nothing new.

    The provider's answer may have been lost: then this is how it becomes known that the mail has left, or never will.
    """
    if line is None:
        return None
    for status in statuses:
        left = has_left(status)
        if left or (left is False and line == "pending"):
            return status
    return None


def _first(rows: Iterable[Row], name: str) -> datetime | None:
    return min((row[name] for row in rows if row[name] is not None), default=None)
