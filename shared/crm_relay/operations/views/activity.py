"""Mails by what became of them and what came back, by the hour or day of the reader's zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from crm_relay.operations.views import store
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.zones import problem_of_zone

_MAILS = ("delivered", "on_the_way", "bounced", "left_out", "unclear")
_EVENTS = ("opened", "clicked", "bounced", "complained", "unsubscribed")


@dataclass(frozen=True)
class Activity:
    """`buckets` are days of `zone` or, of a single day, hours (moments); each list of numbers has one for each of them.

    `mails` are counted when they were made, by what has become of them by now; `events` when they happened.
    """

    days: int
    zone: str
    buckets: list[str]
    mails: dict[str, list[int]]
    events: dict[str, list[int]]


def activity(db: Queryable, now: datetime, *, days: int, zone: str) -> Activity:
    """Of a single day by the hour. Two statements. RejectedInput with 422 for a zone that is none."""
    if (problem := problem_of_zone(zone)) is not None:
        raise RejectedInput("the request is not valid", status=422, details=[f"zone: {problem}"])
    step, starts = _hours(now, ZoneInfo(zone)) if days == 1 else _days(now, ZoneInfo(zone), days)
    until = now + timedelta(seconds=1)
    shown = [each.isoformat() if days == 1 else each.date().isoformat() for each in starts]
    places = {each.replace(tzinfo=None): place for place, each in enumerate(starts)}
    mails = store.mail_activity(db, step=step, zone=zone, since=starts[0], until=until)
    events = store.event_activity(db, step=step, zone=zone, since=starts[0], until=until)
    return Activity(days, zone, shown, _counted(mails, _MAILS, places), _counted(events, _EVENTS, places))


def _hours(now: datetime, zone: ZoneInfo) -> tuple[str, list[datetime]]:
    """The last 24, the one that is not over included; an hour that a clock repeats is one bucket."""
    local = now.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    starts = [
        (local.astimezone(ZoneInfo("UTC")) - timedelta(hours=back)).astimezone(zone) for back in range(23, -1, -1)
    ]
    return "hour", list({each.replace(tzinfo=None): each for each in starts}.values())


def _days(now: datetime, zone: ZoneInfo, days: int) -> tuple[str, list[datetime]]:
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return "day", [today - timedelta(days=back) for back in range(days - 1, -1, -1)]


def _counted(rows: Sequence[Row], names: Sequence[str], places: dict[datetime, int]) -> dict[str, list[int]]:
    counts = {name: [0] * len(places) for name in names}
    for row in rows:
        place = places.get(row["bucket"])
        if place is not None:
            counts[row["outcome"]][place] += row["number"]
    return counts
