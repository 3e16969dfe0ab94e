"""What a program listens to, and when its schedules are due."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from crm_relay.workflows.definition.schedules import next_occurrence
from crm_relay.workflows.definition.validate import EVENTS_OF_CONTACTS
from crm_relay.workflows.entities import event_topic, topics_of
from crm_relay.workflows.models import EntityType, Program, StepKind, TriggerKind


@dataclass(frozen=True)
class Listener:
    """A row of `workflow_listeners`, without whose it is."""

    entity_type: EntityType
    topic: str


def listeners_of(program: Program, event_columns: Iterable[str], former: Iterable[Program]) -> frozenset[Listener]:
    """Of triggers, of columns that an event has to carry, and of what runs wait for, those of `former` versions too."""
    topics = {topic for trigger in program.triggers for topic in topics_of(program.entity_type, trigger)}
    if topics:
        topics |= set(event_columns)
    own = {Listener(program.entity_type, topic) for topic in topics}
    return frozenset(own | waits_of(program) | {each for one in former for each in waits_of(one)})


def waits_of(program: Program) -> frozenset[Listener]:
    """The events for which a run may wait. Replies, bounces and unsubscribes are events of its contact."""
    names = {step.config.get("until_event") for step in program.steps if step.kind is StepKind.WAIT}
    return frozenset(
        Listener(EntityType.CONTACT if name in EVENTS_OF_CONTACTS else program.entity_type, event_topic(name))
        for name in names
        if name
    )


@dataclass(frozen=True)
class DueSchedules:
    """`kept`: places of triggers whose row stays; `new`: when the others are due first."""

    kept: frozenset[int]
    new: dict[int, datetime]


def schedules_of(program: Program, former: Program | None, rows: Iterable[int], now: datetime) -> DueSchedules:
    """A schedule that is the same as before keeps its row: an occurrence that is due already is not lost.

    `rows` are the places that have one.
    """
    wanted = {place: trigger for place, trigger in enumerate(program.triggers) if trigger.kind is TriggerKind.SCHEDULED}
    before = former.triggers if former else ()
    kept = frozenset(
        place
        for place in set(rows) & wanted.keys()
        if place < len(before) and (before[place].cron, before[place].zone) == (wanted[place].cron, wanted[place].zone)
    )
    times = {
        place: next_occurrence(trigger.cron or "", trigger.zone, now)
        for place, trigger in wanted.items()
        if place not in kept
    }
    return DueSchedules(kept, {place: time for place, time in times.items() if time is not None})
