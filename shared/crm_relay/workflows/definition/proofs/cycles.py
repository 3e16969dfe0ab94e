"""Finds the circles in which workflows would start each other for ever: what each writes, and what others listen to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from crm_relay.rules.operators import compare
from crm_relay.workflows.definition.proofs.catalog import VARIABLE_BEGINS
from crm_relay.workflows.entities import CREATED, ENTITIES, columns_of
from crm_relay.workflows.models import EntityType, Program, StepKind, Trigger, TriggerKind
from crm_relay.workflows.writable_fields import ASSIGNABLE

ANY_VALUE: Final = object()
"""What is written is known only when it is."""

TASK_STATUS: Final = "open"
ACTIVITY_STATUS: Final = "completed"
"""With what status steps create activities."""


@dataclass(frozen=True)
class PublishedProgram:
    """An active version, or the one that is about to be."""

    workflow_id: UUID
    name: str
    program: Program


@dataclass(frozen=True)
class WrittenField:
    """What a step does that a trigger may listen to. `topic` is a column, or that of a new row with its status."""

    entity_type: EntityType
    topic: str
    value: object = ANY_VALUE


@dataclass(frozen=True)
class Link:
    """One workflow starts the next, because it writes what that one listens to."""

    source: PublishedProgram
    target: PublishedProgram
    effect: WrittenField


def find_cycle(candidate: PublishedProgram, published: Sequence[PublishedProgram]) -> list[Link]:
    """The shortest circle through `candidate`; empty: there is none that nobody guards.

    `published` are those of its organization, which were proven before it; a former version of it is left out. A
    workflow that names its guard ends every circle that it is in.
    """
    if candidate.program.settings.guard is not None:
        return []
    others = [
        each for each in published if each.workflow_id != candidate.workflow_id and each.program.settings.guard is None
    ]
    reached: dict[UUID, list[Link]] = {}
    ahead: list[tuple[PublishedProgram, list[Link]]] = [(candidate, [])]
    for source, path in ahead:
        for target in (candidate, *others):
            effect = _starting_effect(source.program, target.program)
            if effect is None:
                continue
            longer = [*path, Link(source, target, effect)]
            if target is candidate:
                return longer
            if target.workflow_id not in reached:
                reached[target.workflow_id] = longer
                ahead.append((target, longer))
    return []


def describe_cycle(cycle: Sequence[Link]) -> str:
    """`Won deals (writes deal.stage) -> Archive (writes deal.status) -> Won deals`."""
    parts = [f"{link.source.name} ({_described(link.effect)})" for link in cycle]
    return " -> ".join([*parts, cycle[-1].target.name])


def effects_of(program: Program) -> Iterator[WrittenField]:
    """What its steps write. Mails, notifications and requests write nothing that a trigger listens to by itself."""
    owners = ASSIGNABLE[program.entity_type]
    for step in program.steps:
        match step.kind:
            case StepKind.UPDATE_FIELD:
                value = step.config.get("value")
                is_known = not (isinstance(value, str) and VARIABLE_BEGINS in value)
                yield WrittenField(program.entity_type, str(step.config.get("field")), value if is_known else ANY_VALUE)
            case StepKind.ASSIGN:
                yield WrittenField(program.entity_type, str(step.config.get("field")))
            case StepKind.ESCALATE if step.config.get("reassign"):
                yield from (WrittenField(program.entity_type, column) for column in sorted(owners))
            case StepKind.CREATE_TASK:
                yield WrittenField(EntityType.ACTIVITY, CREATED, TASK_STATUS)
            case StepKind.CREATE_ACTIVITY:
                yield WrittenField(EntityType.ACTIVITY, CREATED, ACTIVITY_STATUS)


def _starting_effect(source: Program, target: Program) -> WrittenField | None:
    return next(
        (
            effect
            for effect in effects_of(source)
            if effect.entity_type is target.entity_type
            and any(_starts(effect, trigger, target.entity_type) for trigger in target.triggers)
        ),
        None,
    )


def _starts(effect: WrittenField, trigger: Trigger, entity_type: EntityType) -> bool:
    if effect.topic == CREATED:
        # A new row is a change of its status, from null.
        columns = columns_of(entity_type, trigger) if trigger.kind is TriggerKind.STATUS_CHANGE else ()
        is_born_so = set(columns) & set(ENTITIES[entity_type].status) and _can_be(effect.value, trigger.becomes)
        return trigger.kind is TriggerKind.CREATED or bool(is_born_so and _can_be(None, trigger.was))
    is_about = trigger.kind is TriggerKind.FIELD_CHANGE and trigger.column is None
    if not is_about and effect.topic not in columns_of(entity_type, trigger):
        return False
    return _can_be(effect.value, trigger.becomes)


def _can_be(written: object, wanted: str | None) -> bool:
    return wanted is None or written is ANY_VALUE or compare(written, "eq", wanted)


def _described(effect: WrittenField) -> str:
    if effect.topic == CREATED:
        return f"creates {effect.entity_type.value}"
    return f"writes {effect.entity_type.value}.{effect.topic}"
