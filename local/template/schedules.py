"""When a schedule expression of EventBridge Scheduler fires next."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((.+)\)")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_SEARCH_DAYS = 5 * 366


def next_firing(expression: str, timezone: str, after: datetime) -> datetime | None:
    """The first moment later than `after`, in UTC; None when there is none within five years.

    A local time that the change to summer time skips does not fire, one that occurs twice fires once. Raises
    ValueError for an expression it does not know.
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
    """
    if rate := _RATE.fullmatch(expression):
        return after.astimezone(UTC) + timedelta(**{f"{rate[2]}s": int(rate[1])})
    if cron := _CRON.fullmatch(expression):
        return _next_cron(_parse(cron[1]), ZoneInfo(timezone), after)
    raise ValueError(f"neither rate(...) nor cron(...): {expression}")


@dataclass(frozen=True)
class _Cron:
    """`weekdays` counts from 1 = Sunday, as AWS does; days and weekdays hold everything where `?` stood."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    years: frozenset[int]

    def fires_on(self, day: date) -> bool:
        weekday = day.isoweekday() % 7 + 1
        return day.day in self.days and day.month in self.months and weekday in self.weekdays and day.year in self.years

    def times(self) -> Iterator[time]:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                yield time(hour, minute)


@cache
def _parse(fields: str) -> _Cron:
    parts = fields.upper().split()
    if len(parts) != 6:
        raise ValueError(f"cron has six fields: {fields}")
    if (parts[2] == "?") == (parts[4] == "?"):
        raise ValueError(f"in cron one of day-of-month and day-of-week is '?': {fields}")
    return _Cron(
        minutes=_values(parts[0], 0, 59),
        hours=_values(parts[1], 0, 23),
        days=_values(parts[2], 1, 31),
        months=_values(parts[3], 1, 12, _MONTHS),
        weekdays=_values(parts[4], 1, 7, _DAYS),
        years=_values(parts[5], 1970, 2199),
    )


def _values(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    for number, name in enumerate(names, start=1):
        text = text.replace(name, str(number))
    return frozenset(value for part in text.split(",") for value in _range(part, low, high))


def _range(part: str, low: int, high: int) -> range:
    match = re.fullmatch(r"(?:(?P<all>[*?])|(?P<first>\d+)(?:-(?P<last>\d+))?)(?:/(?P<step>\d+))?", part)
    if match is None:
        raise ValueError(f"not understood in a cron expression: {part}")
    first = low if match["all"] else int(match["first"])
    endless = match["all"] or (match["step"] and not match["last"])
    last = high if endless else int(match["last"] or first)
    if not low <= first <= last <= high:
        raise ValueError(f"out of range in a cron expression: {part}")
    return range(first, last + 1, int(match["step"] or 1))


def _next_cron(cron: _Cron, zone: ZoneInfo, after: datetime) -> datetime | None:
    first_day = after.astimezone(zone).date()
    for day in (first_day + timedelta(days=n) for n in range(_SEARCH_DAYS)):
        if not cron.fires_on(day):
            continue
        for moment in (datetime.combine(day, at, zone) for at in cron.times()):
            if _exists(moment) and moment.astimezone(UTC) > after:
                return moment.astimezone(UTC)
    return None


def _exists(moment: datetime) -> bool:
    there_and_back = moment.astimezone(UTC).astimezone(moment.tzinfo)
    return there_and_back.replace(tzinfo=None) == moment.replace(tzinfo=None)
