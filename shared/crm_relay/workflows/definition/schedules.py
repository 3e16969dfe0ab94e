"""Schedules of workflows: five fields of cron on the clock of a zone, as Debian's cron reads them."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cronsim import CronSim, CronSimError

from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.zones import problem_of_zone, zone_named

_FIELDS: Final = 5
_LONGEST: Final = 100


def problems_of_schedule(cron: str, zone: str) -> list[str]:
    """What is wrong with the two, each with the name of its part; empty: nothing.

    One that is never due within the next fifty years counts as wrong, `0 0 30 2 *` for one.
    """
    problems = [f"zone: {problem}"] if (problem := problem_of_zone(zone)) else []
    try:
        if next(_times(cron, datetime(2000, 1, 1, tzinfo=UTC)), None) is None:
            problems.append("cron: never due")
    except RejectedInput as error:
        problems.append(error.message)
    return problems


@lru_cache(maxsize=1024)
def next_occurrence(cron: str, zone: str, after: datetime) -> datetime | None:
    """The first occurrence later than `after`, in UTC; None: there is none for fifty years.

    Where clocks go forward, an hour that is left out counts at the moment of the change; where they go back, a
    schedule for certain hours is due once, and one for every hour each hour. RejectedInput for no schedule.

    >>> next_occurrence("0 9 * * MON", "Europe/Berlin", datetime(2026, 11, 30, 8, tzinfo=UTC))
    datetime.datetime(2026, 12, 7, 8, 0, tzinfo=datetime.timezone.utc)
    """
    if (clock := zone_named(zone)) is None:
        raise RejectedInput("zone: not an IANA time zone")
    # In an hour that the clock shows twice, the library begins with the first one.
    times = _times(cron, after.astimezone(clock))
    return next((moment for moment in (each.astimezone(UTC) for each in times) if moment > after), None)


def _times(cron: str, after: datetime) -> CronSim:
    if len(cron) > _LONGEST or len(cron.split()) != _FIELDS:
        raise RejectedInput("cron: five fields: minute, hour, day of month, month, day of week")
    try:
        return CronSim(cron, after)
    except CronSimError as error:
        raise RejectedInput(f"cron: {str(error).lower()}") from None
