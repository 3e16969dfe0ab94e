"""What a workflow may be about: the tables, which columns are a record's status, and which may be listened to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from crm_relay.workflows.models import EntityType, Trigger, TriggerKind


@dataclass(frozen=True)
class Entity:
    """Where the rows of an entity type are. `status`: the columns that a change of status is about.

    `owner` is the column with the colleague whose record it is; None: the owner of its contact.
    """

    table: str
    status: tuple[str, ...] = ("status",)
    owner: str | None = "owner_id"


ENTITIES: Final[Mapping[EntityType, Entity]] = MappingProxyType(
    {
        EntityType.ACCOUNT: Entity("accounts"),
        EntityType.CONTACT: Entity("contacts"),
        # A deal is won by its status (`won`) or by its stage (`closed_won`), as the CRM keeps it.
        EntityType.DEAL: Entity("deals", status=("status", "stage")),
        EntityType.JOB: Entity("jobs"),
        EntityType.SUBMISSION: Entity("submissions"),
        EntityType.PLACEMENT: Entity("placements"),
        EntityType.ACTIVITY: Entity("activities", owner="assignee_id"),
        EntityType.ENROLLMENT: Entity("campaign_enrollments", owner=None),
    }
)

_EVENT_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")

CREATED: Final = "+"
"""The topic of a new row."""

EVENT: Final = "event:"
"""How the topic of a named event begins."""

NEVER_LISTENED: Final = frozenset({"id", "org_id", "created_at", "created_by", "updated_at", "updated_by"})
"""Columns that never change, or with every change."""


def may_be_listened_to(column: str) -> bool:
    """Whether a workflow may start on a change of it; that the table has it, the database knows."""
    return column not in NEVER_LISTENED


def is_event_name(name: object) -> bool:
    """Whether an event may be called so, by a trigger as by the one who sends it."""
    return isinstance(name, str) and _EVENT_NAME.fullmatch(name) is not None


def event_topic(name: str) -> str:
    """The topic of the named event, such as `event:replied`."""
    return EVENT + name


def columns_of(entity_type: EntityType, trigger: Trigger) -> tuple[str, ...]:
    """The columns that a change is about: the one that is named; of a change of status all that are the status."""
    if trigger.kind is not TriggerKind.STATUS_CHANGE and trigger.kind is not TriggerKind.FIELD_CHANGE:
        return ()
    if trigger.column:
        return (trigger.column,)
    return ENTITIES[entity_type].status if trigger.kind is TriggerKind.STATUS_CHANGE else ()


def topics_of(entity_type: EntityType, trigger: Trigger) -> tuple[str, ...]:
    """What stands in `workflow_listeners` for the trigger; empty: it needs no event."""
    if trigger.kind is TriggerKind.CREATED:
        return (CREATED,)
    if trigger.kind is TriggerKind.EVENT and trigger.event:
        return (event_topic(trigger.event),)
    return columns_of(entity_type, trigger)
