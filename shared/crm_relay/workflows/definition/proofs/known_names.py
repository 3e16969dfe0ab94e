"""The one table of what fields and variables may be called."""

from collections.abc import Mapping
from typing import Final

from crm_relay.rules.record_conditions import EVENT, OLD, RECORD, scope_of
from crm_relay.workflows.definition.proofs.catalog import Catalog
from crm_relay.workflows.definition.reading.problems import shown
from crm_relay.workflows.entities import ENTITIES
from crm_relay.workflows.models import EntityType, Program, TriggerKind

TABLES: Final[Mapping[str, str]] = {"contact": "contacts", "account": "accounts", "owner": "user_profiles"}
"""The tables of what hangs on a record; the record's own is that of its entity type."""

WORKFLOW_VARIABLES: Final = frozenset({"workflow.name"})
"""Variables of the workflow itself; conditions cannot ask for them."""

WITHOUT_CONTACT: Final = frozenset({EntityType.ACCOUNT, EntityType.JOB})

_WITH_PAYLOAD = frozenset({TriggerKind.EVENT, TriggerKind.API, TriggerKind.MANUAL})


def problem_of_name(name: str, program: Program, catalog: Catalog) -> str | None:
    """Why there is nothing of this name in any record; None: there is.

    What an event carries is known only to the one who sends it, so `event.x` is any name where an event, an API call or
    a person may start the workflow.
    """
    entity_type = program.entity_type
    scope, path = scope_of(name, entity_type.value)
    column = path.partition(".")[0]
    if scope is None:
        return f"{shown(name)}: a name begins with record, {entity_type.value}, contact, account, owner or event"
    if scope == EVENT:
        return _problem_of_event(path, program, catalog)
    if scope == "contact" and entity_type in WITHOUT_CONTACT:
        return f"{shown(name)}: this entity type has no contact"
    table = ENTITIES[entity_type].table if scope == RECORD else TABLES[scope]
    return None if column in catalog.columns.get(table, ()) else f"{shown(name)}: {table} has no such column"


def event_columns(names: list[str], program: Program, catalog: Catalog) -> set[str]:
    """The columns whose old or new value `names` ask the event for: they have to be listened to."""
    found = set()
    for name in names:
        scope, path = scope_of(name, program.entity_type.value)
        parts = path.split(".")
        column = parts[1] if parts[0] == OLD and len(parts) > 1 else parts[0]
        if scope == EVENT and column in catalog.columns.get(ENTITIES[program.entity_type].table, ()):
            found.add(column)
    return found


def _problem_of_event(path: str, program: Program, catalog: Catalog) -> str | None:
    parts = path.split(".")
    is_old = parts[0] == OLD
    column = parts[1] if is_old and len(parts) > 1 else parts[0]
    table = ENTITIES[program.entity_type].table
    if column in catalog.columns.get(table, ()) and not (is_old and len(parts) == 1):
        return None
    if not is_old and any(trigger.kind in _WITH_PAYLOAD for trigger in program.triggers):
        return None
    return f"event.{shown(path)}: {table} has no such column"
