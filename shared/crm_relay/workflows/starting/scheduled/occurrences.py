"""Which occurrence of a schedule is made up for, and which comes next; pure."""

from datetime import datetime, timedelta
from typing import Final

from crm_relay.workflows.definition.schedules import next_occurrence
from crm_relay.workflows.models import Trigger

_BACK: Final = (timedelta(hours=2), timedelta(days=2), timedelta(days=70), timedelta(days=800))
"""How far is looked back, step by step: a schedule of every minute that was missed for a year has few steps too."""


def occurrence_after(trigger: Trigger, moment: datetime) -> datetime | None:
    """The first one later than `moment`; None: there is none."""
    return next_occurrence(trigger.cron or "", trigger.zone, moment)


def latest_occurrence(trigger: Trigger, due: datetime, now: datetime) -> datetime:
    """The last one that is not later than `now`, from `due` on; `due` itself where there is no other.

    >>> from datetime import UTC
    >>> from crm_relay.workflows.models import TriggerKind
    >>> daily = Trigger(TriggerKind.SCHEDULED, cron="0 9 * * *", zone="Europe/Berlin")
    >>> latest_occurrence(daily, datetime(2026, 3, 1, 8, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC))
    datetime.datetime(2026, 3, 30, 7, 0, tzinfo=datetime.timezone.utc)
    """
    for back in _BACK:
        since = max(due, now - back)
        latest, found = None, occurrence_after(trigger, since)
        while found is not None and found <= now:
            latest, found = found, occurrence_after(trigger, found)
        if latest is not None:
            return latest
        if since == due:
            break
    return due
