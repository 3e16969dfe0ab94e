"""What steps write into records of the CRM, gathered by table, and the cause that each write carries; pure."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from crm_relay.workflows.actions.effects import FieldWrite, NewActivity
from crm_relay.workflows.engine.steps.outcomes import Advanced
from crm_relay.workflows.entities import ENTITIES
from crm_relay.workflows.models import EntityType


def fields_of(advanced: Sequence[Advanced]) -> dict[str, list[dict[str, object]]]:
    """By table, what each record gets; several steps of a run write it together."""
    merged: dict[tuple[str, UUID], FieldWrite] = {}
    for write in (effect for each in advanced for effect in each.effects if isinstance(effect, FieldWrite)):
        key = (ENTITIES[EntityType(write.entity_type)].table, write.entity_id)
        before = merged.get(key)
        merged[key] = write if before is None else replace(write, fields={**before.fields, **write.fields})
    changes: dict[str, list[dict[str, object]]] = {}
    for (table, entity_id), write in sorted(merged.items(), key=lambda item: item[0]):
        changes.setdefault(table, []).append({"id": entity_id, "fields": dict(write.fields), "by": write.written_by})
    return changes


def causes_of(advanced: Sequence[Advanced]) -> dict[str, object]:
    """`{"*": depth, record id: [run id, depth]}`, as `store.naming_causes` takes them."""
    causes: dict[str, object] = {"*": max(each.run.depth for each in advanced) + 1}
    for each in advanced:
        cause = [each.run.id, each.run.depth + 1]
        for effect in each.effects:
            if isinstance(effect, FieldWrite):
                causes[str(effect.entity_id)] = cause
            elif isinstance(effect, NewActivity):
                causes[str(effect.row["id"])] = cause
    return causes
