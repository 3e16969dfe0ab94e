"""Points in time as a workflow writes them: `+3d`, `+4h`, `+2 business days`, or an instant; pure."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.send_windows import SendWindow, add_days, next_open
from crm_relay.rules.zones import zone_meant, zone_named

_SPAN = re.compile(r"\+\s*(?P<number>[0-9]{1,6})\s*(?P<unit>m|min|minutes?|h|hours?|d|days?|w|weeks?|business days?)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SATURDAY = 5
_LONGEST = timedelta(days=3650)


def moment_of(text: str, now: datetime, zone: str = "UTC") -> datetime:
    """RejectedInput, which names the rule and never the text, for anything that is no point in time.

    A date is its midnight, and an instant without an offset is on the clock of `zone`.
    """
    span = _SPAN.fullmatch(text.strip().lower())
    if span is None:
        return instant_of(text, zone)
    number, unit = int(span["number"]), span["unit"]
    if unit.startswith("business"):
        return add_business_days(now, number, zone)
    length = timedelta(**{_UNITS[unit[0]]: number})
    if length > _LONGEST:
        raise RejectedInput("a span is at most ten years long")
    if unit[0] in "dw":
        return add_days(now, length.days, zone)
    return now + length


def instant_of(value: object, zone: str = "UTC") -> datetime:
    """Of a column or a text: ISO 8601. RejectedInput as above."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=_zone(zone))
    if isinstance(value, date):
        return datetime.combine(value, time(), _zone(zone)).astimezone(UTC)
    try:
        read = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise RejectedInput("a point in time: ISO 8601, or a span such as +3d, +4h, +2 business days") from None
    return (read if read.tzinfo else read.replace(tzinfo=_zone(zone))).astimezone(UTC)


def before_date(value: object, days: int, at: str | None, zone: str) -> datetime:
    """`days` before the day of `value`, at the hour `at` (`HH:MM`); without one at the hour that `value` has."""
    moment = instant_of(value, zone).astimezone(_zone(zone))
    day = moment.date() - timedelta(days=days)
    hour = moment.time() if at is None else hour_of(at)
    return datetime.combine(day, hour, _zone(zone)).astimezone(UTC)


def add_business_days(now: datetime, number: int, zone: str) -> datetime:
    """The same hour on the `number`th day from Monday to Friday."""
    moment = now
    for _ in range(min(number, _LONGEST.days)):
        moment = add_days(moment, 1, zone)
        while moment.astimezone(_zone(zone)).weekday() >= _SATURDAY:
            moment = add_days(moment, 1, zone)
    return moment


def next_business_moment(now: datetime, days: tuple[str, ...], start: str, end: str, zone: str) -> datetime:
    """`now` where it is inside these hours, else when they begin next."""
    return next_open(SendWindow.of(days, start, end, zone), now)


def hour_of(text: str) -> time:
    """Of `HH:MM`; RejectedInput for anything else."""
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise RejectedInput("at: HH:MM") from None


def zone_for(written: str | None, owner: Mapping[str, Any] | None) -> str:
    """The step's own, else that of the record's owner, else UTC."""
    return zone_meant(written or str((owner or {}).get("timezone") or "")) or "UTC"


def _zone(name: str) -> ZoneInfo:
    if (zone := zone_named(name)) is None:
        raise RejectedInput("zone: not an IANA time zone")
    return zone
