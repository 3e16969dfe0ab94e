"""Events whose starts cannot be made, and versions that cannot be read: each stops only itself, and has an incident."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_free_incidents, open_incidents
from crm_relay.platform.database import Database
from crm_relay.platform.errors import describe_error
from crm_relay.workflows.starting import store

EVENT = "workflow_start_refused"
"""The incident's subject is the id of a row of `entity_events`."""

VERSION = "workflow_unreadable"
"""The incident's subject is the workflow's id."""

SCHEDULE = "workflow_schedule_refused"
"""The incident's subject is the workflow's id and the place of the trigger."""

TRIED_AGAIN = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=25), timedelta(hours=2))

_EVENT_TITLE = "event(s) that start no workflow, since their rows cannot be worked on; others go on"
_SCHEDULE_TITLE = "schedule(s) that leave records out, since their rows cannot be worked on; others go on"
_VERSION_TITLE = "workflow(s) whose published version cannot be read: they start nothing"


def set_aside(db: Database, failed: Mapping[int, Exception], now: datetime) -> None:
    """Try the events again later; after the last time each is handled, with the reason of its non-start kept."""
    if not failed:
        return
    before = store.attempts(db, sorted(failed))
    store.postpone(db, {event: _again(before.get(event, 0), now) for event in failed}, now)
    problems = [(str(event), describe_error(error)) for event, error in sorted(failed.items())]
    incidents = [Incident(EVENT, event, _EVENT_TITLE, details={"problem": problem}) for event, problem in problems]
    open_incidents(db, incidents, now)


def report_unreadable(db: Database, versions: Iterable[tuple[UUID, int]], now: datetime) -> None:
    """Safe to call twice."""
    open_incidents(
        db,
        [
            Incident(VERSION, str(workflow), _VERSION_TITLE, details={"version": version})
            for workflow, version in sorted(versions)
        ],
        now,
    )


def report_schedule(db: Database, schedule: tuple[UUID, int], failed: Mapping[UUID, Exception], now: datetime) -> None:
    """Records for which an occurrence starts nothing."""
    if failed:
        problems = {str(record): describe_error(error) for record, error in sorted(failed.items())}
        incident = Incident(SCHEDULE, _schedule(schedule), _SCHEDULE_TITLE, details={"records": problems})
        open_incidents(db, [incident], now)


def close_schedule(db: Database, schedule: tuple[UUID, int], now: datetime) -> None:
    """An occurrence left nobody out."""
    close_free_incidents(db, SCHEDULE, [_schedule(schedule)], now)


def close_recovered_starts(db: Database, now: datetime) -> int:
    """How many of these incidents are over: the event has been handled after all, the version is another one."""
    over = store.recovered(db)
    return sum(
        close_free_incidents(db, kind, [row["subject"] for row in over if row["kind"] == kind], now)
        for kind in sorted({row["kind"] for row in over})
    )


def _again(attempts: int, now: datetime) -> datetime | None:
    """None: it was tried often enough."""
    return now + TRIED_AGAIN[attempts] if attempts < len(TRIED_AGAIN) else None


def _schedule(schedule: tuple[UUID, int]) -> str:
    return f"{schedule[0]}/{schedule[1]}"
