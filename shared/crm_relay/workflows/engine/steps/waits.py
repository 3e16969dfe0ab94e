"""How long a run waits: for a span, for a point in time, for business hours, or until something happens; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.send_windows import add_days
from crm_relay.workflows.actions.configs import WaitConfig
from crm_relay.workflows.actions.effects import StepMoment
from crm_relay.workflows.moments import before_date, moment_of, next_business_moment, zone_for
from crm_relay.workflows.run_models import OpenWait

FOR_TIME = "time"
FOR_WEBHOOK = "webhook"
FOR_EVENT = "event:"
"""How `waits_for` begins where a run waits for an event: the topic of `entity_events`."""

OF_PEOPLE = frozenset({"replied", "bounced", "unsubscribed"})
"""Events that are about the contact of the record; any other is about the record itself."""

# A date that moves while a run waits for it is noticed so late at the latest.
_DATE_IS_READ_AGAIN = timedelta(hours=6)
# There is a reply whose headers are not read: they may show that it is automatic.
_UNREAD = "replied?"
_READ_BY_THEN = timedelta(minutes=15)
# Whatever happens meanwhile: the record goes, its contact is another one, the event was missed.
_LOOKED_AT_AGAIN = timedelta(days=1)


@dataclass(frozen=True)
class StillWaiting:
    """`until`: when it is over whatever happens; None: never. `look_at`: when the run is due next."""

    until: datetime | None
    look_at: datetime | None
    waits_for: str = FOR_TIME
    waits_for_id: UUID | None = None


@dataclass(frozen=True)
class WaitOver:
    """`timed_out`: what it waited for did not happen."""

    result: Mapping[str, Any] = field(default_factory=dict, hash=False)
    timed_out: bool = False


def look(config: WaitConfig, at: StepMoment, opened: OpenWait | None = None) -> StillWaiting | WaitOver:
    """Whether the wait is over; `opened` None: it begins now. RejectedInput where it has no end that can be read."""
    if config.until_event is not None:
        return _for_event(config, at, opened)
    if config.before_field is not None:
        until = _before_field(config, at)
        return _for_time(until, at.now, look_at=min(until, at.now + _DATE_IS_READ_AGAIN))
    until = _until(config, at) if opened is None or opened.until is None else opened.until
    return _for_time(until, at.now, look_at=until)


def zone_of(config: WaitConfig, at: StepMoment) -> str:
    """The step's own, else that of the record's owner, else UTC."""
    return zone_for(config.zone, at.facts.records.owner)


def _for_time(until: datetime, now: datetime, *, look_at: datetime) -> StillWaiting | WaitOver:
    return WaitOver({"until": until.isoformat()}) if until <= now else StillWaiting(until, look_at)


def _until(config: WaitConfig, at: StepMoment) -> datetime:
    zone = zone_of(config, at)
    if config.until is not None:
        if (written := at.optional(config.until)) is None:
            raise RejectedInput("until: is empty once its variables are filled")
        return moment_of(written, at.now, zone)
    moment = _span(config, at.now, zone)
    if config.at is not None:
        moment = max(at.now, before_date(moment, 0, config.at, zone))
    if config.business_hours:
        return next_business_moment(moment, config.business_days, config.business_start, config.business_end, zone)
    return moment


def _span(config: WaitConfig, since: datetime, zone: str) -> datetime:
    return add_days(since, config.days, zone) + timedelta(hours=config.hours, minutes=config.minutes)


def _before_field(config: WaitConfig, at: StepMoment) -> datetime:
    value = at.facts.subject.value_of(config.before_field or "")
    if value is None:
        raise RejectedInput("before_field: the record has no date there")
    return before_date(value, config.days_before, config.at, zone_of(config, at))


def _for_event(config: WaitConfig, at: StepMoment, opened: OpenWait | None) -> StillWaiting | WaitOver:
    name = config.until_event or ""
    if (happened := at.facts.happened.get(name)) is not None:
        return WaitOver({"event": name, "at": happened.isoformat()})
    until = _timeout(config, at) if opened is None else opened.until
    if until is not None and until <= at.now:
        return WaitOver({"event": None}, timed_out=True)
    is_unread = name == "replied" and _UNREAD in at.facts.happened
    again = at.now + (_READ_BY_THEN if is_unread else _LOOKED_AT_AGAIN)
    return StillWaiting(until, again if until is None else min(again, until), FOR_EVENT + name, _whose(name, at))


def _timeout(config: WaitConfig, at: StepMoment) -> datetime | None:
    if not (config.days or config.hours or config.minutes):
        return None
    return _span(config, at.now, zone_of(config, at))


def _whose(name: str, at: StepMoment) -> UUID | None:
    if name not in OF_PEOPLE:
        return at.run.entity_id
    contact = at.facts.records.contact
    return None if contact is None else UUID(str(contact["id"]))
