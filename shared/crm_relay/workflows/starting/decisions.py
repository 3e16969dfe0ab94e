"""Whether something starts a workflow for a record, and the first gate that refuses it; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from crm_relay.rules.operators import compare
from crm_relay.rules.record_conditions import ConditionsAnswer, ConditionSubject, RecordFacts, ask
from crm_relay.workflows.entities import CREATED, columns_of, event_topic, topics_of
from crm_relay.workflows.models import EntityEvent, ReEntry, Trigger, TriggerKind
from crm_relay.workflows.starting.models import Instance, NotStarted, Start, StartableVersion, StartRequest

BEFORE_PUBLICATION = "before_publication"
UNREADABLE = "unreadable"
TRIGGER = "trigger"
ORIGIN = "origin"
DEPTH = "depth"
RECORD_GONE = "record_gone"
CONDITIONS = "conditions"
COOL_DOWN = "cool_down"
RE_ENTRY = "re_entry"
FAILED = "failed"

ONLY_WHERE_NAMED: Final = frozenset({"import"})
"""Origins of events that start a workflow only where its settings name them."""

_TYPES = {TriggerKind.EVENT: "event", TriggerKind.SCHEDULED: "scheduled"}
_MINUTE = timedelta(minutes=1)


def of_event(version: StartableVersion, event: EntityEvent) -> StartRequest | NotStarted | None:
    """What can be said without the record; None: the event is about nothing that the version listens to."""
    program = version.program
    if event.occurred_at is not None and event.occurred_at < version.starts_from:
        wanted = version.starts_from
        return _refused(_request(version, event), BEFORE_PUBLICATION, wanted=wanted, actual=event.occurred_at)
    if program is None:
        return NotStarted(_request(version, event), UNREADABLE)
    topics = _topics(event)
    concerned = [each for each in program.triggers if not topics.isdisjoint(topics_of(program.entity_type, each))]
    if not concerned:
        return None
    trigger = next((each for each in concerned if matches(version, each, event)), None)
    if trigger is None:
        # A new record is no change that somebody might have expected something of.
        if event.kind == "created":
            return None
        return NotStarted(_request(version, event), TRIGGER, tuple(_compared(version, concerned, event)))
    request = _request(version, event, _TYPES.get(trigger.kind, "automatic"))
    if event.origin in ONLY_WHERE_NAMED - program.settings.origins:
        return _refused(request, ORIGIN, wanted=sorted(program.settings.origins), actual=event.origin)
    if event.depth > program.settings.max_depth:
        return _refused(request, DEPTH, wanted=program.settings.max_depth, actual=event.depth)
    return request


def matches(version: StartableVersion, trigger: Trigger, event: EntityEvent) -> bool:
    """Whether the event is what the trigger waits for."""
    if trigger.kind is TriggerKind.CREATED:
        return event.kind == "created"
    if trigger.kind is TriggerKind.EVENT:
        return event.kind == "event" and trigger.event is not None and event.topic == event_topic(trigger.event)
    # A record that is born with a status has come to it from nothing; any other column was only filled.
    if event.kind == "created" and (trigger.kind is not TriggerKind.STATUS_CHANGE or trigger.becomes is None):
        return False
    return any(_has_come(trigger, *event.changed[column]) for column in _columns(version, trigger, event))


def judge_record(request: StartRequest, facts: RecordFacts) -> NotStarted | ConditionsAnswer:
    """Whether the record is there and meets the conditions; the comparisons where it does."""
    record = facts.record
    if record is None or record.get("deleted_at") is not None or record.get("org_id") != str(request.version.org_id):
        return NotStarted(request, RECORD_GONE)
    answer = ask(request.program.conditions, ConditionSubject(request.version.entity_type, facts, request.event))
    return answer if answer.holds else NotStarted(request, CONDITIONS, tuple(answer.as_json()))


def of_record(request: StartRequest, facts: RecordFacts) -> NotStarted | None:
    """What the record refuses; None: nothing."""
    judged = judge_record(request, facts)
    return judged if isinstance(judged, NotStarted) else None


def is_meant(request: StartRequest, facts: RecordFacts) -> bool:
    """Whether a schedule is about the record: it is there, and meets the filter and the conditions."""
    subject = ConditionSubject(request.version.entity_type, facts)
    return of_record(request, facts) is None and ask(request.records, subject).holds


def is_as_triggered(request: StartRequest, facts: RecordFacts) -> bool:
    """Whether a record that is there already is one that the workflow would have been started for.

    A trigger for a change that names its new value means records that have that value now; every other trigger means
    all, a schedule those of its filter. The conditions have to hold as well.
    """
    record = facts.record
    if record is None or of_record(request, facts) is not None:
        return False
    return any(_is_met(request, trigger, facts) for trigger in request.program.triggers)


def _is_met(request: StartRequest, trigger: Trigger, facts: RecordFacts) -> bool:
    program = request.program
    if trigger.records is not None:
        return ask(trigger.records, ConditionSubject(request.version.entity_type, facts)).holds
    columns = columns_of(program.entity_type, trigger)
    if not columns or trigger.becomes is None:
        return True
    return any(compare((facts.record or {}).get(column), "eq", trigger.becomes) for column in columns)


def of_instance(request: StartRequest, instance: Instance, execution_id: UUID, now: datetime) -> Start | NotStarted:
    """What the runs of the instance say; `at` of a start is not held against the pace yet."""
    settings = request.program.settings
    last = instance.last_started_at
    if settings.cool_down is not None and last is not None and now < last + settings.cool_down:
        return _refused(request, COOL_DOWN, wanted=last + settings.cool_down, actual=last)
    start = Start(request, execution_id, instance.id, now, begins_again=not instance.open_runs)
    if not instance.open_runs or settings.re_entry is ReEntry.PARALLEL:
        return start
    if settings.re_entry is ReEntry.QUEUE:
        return replace(start, at=None)
    if settings.re_entry is ReEntry.RESTART:
        return replace(start, restarts=instance.open_runs, begins_again=True)
    return _refused(request, RE_ENTRY, wanted=0, actual=len(instance.open_runs))


def begin(
    request: StartRequest, instance: Instance, next_free_at: datetime, execution_id: UUID, now: datetime
) -> tuple[Start | NotStarted, Instance, datetime]:
    """The gates of the instance and of the pace, then the instance and the next free place behind that.

    A run that is queued takes its place in the bucket too: it is a start.
    """
    decided = of_instance(request, instance, execution_id, now)
    if isinstance(decided, NotStarted):
        return decided, instance, next_free_at
    at, free = take_place(next_free_at, request.program.settings.starts_per_minute, now)
    started = decided if decided.at is None or decided.at == at else replace(decided, at=at)
    return started, after(instance, started, now), free


def after(instance: Instance, decided: Start | NotStarted, now: datetime) -> Instance:
    """The instance as the next start of the batch meets it."""
    if isinstance(decided, NotStarted):
        return instance
    kept = tuple(run for run in instance.open_runs if run not in decided.restarts)
    return Instance(instance.id, now, (*kept, decided.execution_id))


def take_place(next_free_at: datetime, per_minute: int, now: datetime) -> tuple[datetime, datetime]:
    """When a start may begin, and the next free place behind it: a bucket of `per_minute`, filled evenly.

    >>> from datetime import UTC
    >>> now = free = datetime(2026, 1, 1, tzinfo=UTC)
    >>> for _ in range(3): at, free = take_place(free, 2, now)
    >>> (at - now).seconds
    30
    """
    step = _MINUTE / max(per_minute, 1)
    free = max(next_free_at, now) + step
    return max(now, free - _MINUTE), free


def _request(version: StartableVersion, event: EntityEvent, trigger_type: str = "automatic") -> StartRequest:
    return StartRequest(version, event.entity_id, f"event:{event.id}", trigger_type, event, triggered_by=event.actor)


def _topics(event: EntityEvent) -> set[str]:
    if event.kind == "event":
        return {event.topic}
    return {*event.changed, *([CREATED] if event.kind == "created" else [])}


def _columns(version: StartableVersion, trigger: Trigger, event: EntityEvent) -> Iterator[str]:
    program = version.program
    if program is not None:
        yield from (each for each in columns_of(program.entity_type, trigger) if each in event.changed)


def _has_come(trigger: Trigger, before: object, after_it: object) -> bool:
    came_from = trigger.was is None or compare(before, "eq", trigger.was)
    return came_from and (trigger.becomes is None or compare(after_it, "eq", trigger.becomes))


def _compared(version: StartableVersion, triggers: list[Trigger], event: EntityEvent) -> Iterator[Mapping[str, Any]]:
    for trigger in triggers:
        for column in _columns(version, trigger, event):
            wanted = {"from": trigger.was, "to": trigger.becomes}
            yield {
                "gate": TRIGGER,
                "field": column,
                "wanted": wanted,
                "actual": list(event.changed[column]),
                "holds": False,
            }


def _refused(request: StartRequest, reason: str, *, wanted: object, actual: object) -> NotStarted:
    return NotStarted(request, reason, ({"gate": reason, "wanted": wanted, "actual": actual, "holds": False},))
