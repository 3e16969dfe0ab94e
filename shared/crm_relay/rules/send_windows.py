"""When mail may leave: days and hours on somebody's wall clock, and the next moment inside them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.zones import is_zone, zone_meant, zone_named

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""In the order of `date.weekday()`."""

# A week until the same weekday, and another week where a zone skipped that very day (Apia, 30 December 2011).
_HORIZON = timedelta(days=15)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class SendWindow:
    """The hours [start, end) of these days (`mon` ... `sun`) on the wall clock of `zone`, an IANA name.

    An instant is inside if the weekday and the time that clocks show there at that instant are inside, and by nothing
    else: an hour that a zone leaves out is never inside, and one that it repeats is inside both times. Where `end` is
    before `start` it goes past midnight and belongs to the day on which it starts, also where that day was left out.
    RejectedInput, which names the rule, for anything that is no window.
    """

    days: frozenset[str]
    start: time
    end: time
    zone: str

    def __post_init__(self) -> None:
        if not self.days or not self.days <= frozenset(DAYS):
            raise RejectedInput("days of the send window: at least one of mon, tue, wed, thu, fri, sat, sun")
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise RejectedInput("hours of the send window: without an offset, the zone is a field of its own")
        if self.start == self.end:
            raise RejectedInput("hours of the send window: start and end differ; the whole day is 00:00 to 23:59")
        if not is_zone(self.zone):
            raise RejectedInput("zone of the send window: not an IANA time zone")

    @classmethod
    def of(cls, days: Iterable[str], start: time | str, end: time | str, zone: str) -> "SendWindow":
        """From what a column or a request holds: days in any case, hours as `HH:MM` or `HH:MM:SS`."""
        return _written_window(tuple(days), start, end, zone)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "SendWindow":
        """Of what `to_json` made."""
        return cls.of(stored["days"], stored["start"], stored["end"], stored["zone"])

    def to_json(self) -> dict[str, Any]:
        """`{"days": ["mon"], "start": "09:00:00", "end": "17:00:00", "zone": "Europe/Paris"}`."""
        days = [day for day in DAYS if day in self.days]
        return {"days": days, "start": self.start.isoformat(), "end": self.end.isoformat(), "zone": self.zone}

    def in_zone(self, zone: str) -> "SendWindow":
        """The same days and hours on another clock."""
        return self if zone == self.zone else replace(self, zone=zone)


@lru_cache(maxsize=1024)
def _written_window(days: tuple[str, ...], start: time | str, end: time | str, zone: str) -> SendWindow:
    """The rows of a batch hold the same few, again and again."""
    return SendWindow(
        frozenset(day.strip().lower() for day in days), _time(start), _time(end), zone_meant(zone) or zone.strip()
    )


def zone_of(contact_zone: str | None, campaign_zone: str) -> str:
    """The recipient's zone where its name means one, else the campaign's."""
    return zone_meant(contact_zone) or campaign_zone


def is_open(window: SendWindow, at: datetime) -> bool:
    """Whether mail may leave at this instant (aware; ValueError otherwise)."""
    moment = _naive_utc(at)
    return _is_inside(window, moment + _offset(window.zone, moment))


def next_open(window: SendWindow, at: datetime) -> datetime:
    """The earliest instant inside the window that is not before `at` (aware); in UTC.

    A window opens at least every second week, so there always is one.
    """
    moment = _naive_utc(at)
    for since, until, offset in _stretches(window.zone, moment.year, moment.month):
        if moment < until:
            opening = _opening(window, max(moment, since) + offset) - offset
            if opening < until:
                return opening.replace(tzinfo=UTC)
    raise RejectedInput("the send window does not open within two weeks")


def closes_at(window: SendWindow, at: datetime) -> datetime:
    """The first instant from `at` (aware) on that is not inside the window, in UTC; `at` itself where it is closed."""
    moment = _naive_utc(at)
    for since, until, offset in _stretches(window.zone, moment.year, moment.month):
        if moment < until:
            closing = _closing(window, max(moment, since) + offset) - offset
            if closing < until:
                return closing.replace(tzinfo=UTC)
    raise RejectedInput("the send window does not close within two weeks")


def add_days(at: datetime, days: int, zone: str) -> datetime:
    """The same time on the clock of `zone` so many days after `at` (aware); in UTC.

    A time that the zone leaves out on that day moves forward by what is left out; of one that it repeats it is the
    first. No days: `at` itself. https://www.rfc-editor.org/rfc/rfc5545#section-3.3.5
    """
    moment = _naive_utc(at)
    if not days:
        return moment.replace(tzinfo=UTC)
    wall = moment + _offset(zone, moment) + days * _DAY
    return wall.replace(tzinfo=zone_named(zone), fold=0).astimezone(UTC)


def next_time(days: Iterable[str], at: time, zone: str, after: datetime) -> datetime:
    """The first instant behind `after` (aware) at which clocks of `zone` show `at` on one of these days; in UTC.

    A time that the zone leaves out on that day moves forward by what is left out; of one that it repeats it is the
    first. RejectedInput where no day is given.
    """
    moment, wanted = _naive_utc(after), frozenset(days)
    wall = moment + _offset(zone, moment)
    for ahead in range(-1, _HORIZON.days):
        day = wall.date() + ahead * _DAY
        instant = datetime.combine(day, at, tzinfo=zone_named(zone)).astimezone(UTC)
        if DAYS[day.weekday()] in wanted and instant > after:
            return instant
    raise RejectedInput("days of a time: at least one of mon, tue, wed, thu, fri, sat, sun")


# Between two changes of its offset a zone's wall clock runs like UTC, only shifted. Inside such a stretch the rules
# are plain arithmetic, without gaps and repeated hours; these exist only where two stretches meet.


def _is_inside(window: SendWindow, wall: datetime) -> bool:
    clock, weekday = wall.time(), wall.weekday()
    if window.start < window.end:
        return window.start <= clock < window.end and DAYS[weekday] in window.days
    if clock >= window.start:
        return DAYS[weekday] in window.days
    return clock < window.end and DAYS[weekday - 1] in window.days


def _opening(window: SendWindow, wall: datetime) -> datetime:
    if _is_inside(window, wall):
        return wall
    start = datetime.combine(wall.date(), window.start)
    while start < wall or DAYS[start.weekday()] not in window.days:
        start += _DAY
    return start


def _closing(window: SendWindow, wall: datetime) -> datetime:
    if not _is_inside(window, wall):
        return wall
    end = datetime.combine(wall.date(), window.end)
    return end if wall < end else end + _DAY


@lru_cache(maxsize=4096)
def _stretches(name: str, year: int, month: int) -> tuple[tuple[datetime, datetime, timedelta], ...]:
    """(since, until, offset) of the zone from the first of a month until the horizon after its end; naive UTC."""
    since = datetime(year, month, 1)  # noqa: DTZ001 - naive UTC, see above
    end = since + timedelta(days=31) + _HORIZON
    found = []
    while since < end:
        until = _next_change(name, since, end)
        found.append((since, until, _offset(name, since)))
        since = until
    return tuple(found)


def _next_change(name: str, since: datetime, end: datetime) -> datetime:
    """The first instant with another offset, or `end`. No zone ever changed twice within a day: the least is four."""
    offset, same, other = _offset(name, since), since, since
    while offset == _offset(name, other):
        if other >= end:
            return end
        same, other = other, min(other + _DAY, end)
    while other - same > timedelta(seconds=1):
        middle = same + timedelta(seconds=(other - same) // timedelta(seconds=2))
        same, other = (middle, other) if _offset(name, middle) == offset else (same, middle)
    return other


def _offset(name: str, moment: datetime) -> timedelta:
    zone = zone_named(name)
    return (zone.fromutc(moment.replace(tzinfo=zone)).utcoffset() if zone else None) or timedelta()


def _naive_utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("an instant has an offset")
    return at.astimezone(UTC).replace(tzinfo=None)


def _time(written: time | str) -> time:
    try:
        return written if isinstance(written, time) else time.fromisoformat(written.strip())
    except ValueError:
        raise RejectedInput("hours of the send window: not HH:MM") from None
