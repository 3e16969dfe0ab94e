"""An organization's catalog, and programs that are proven against it."""

from typing import Any
from uuid import UUID

from crm_relay.workflows.definition.parse import parse
from crm_relay.workflows.definition.proofs.catalog import Catalog
from crm_relay.workflows.definition.validate import validate
from crm_relay.workflows.models import Program

ADA = UUID(int=1)
LETTER = UUID(int=2)
STRANGER = str(UUID(int=99))
CATALOG = Catalog(
    columns={
        "deals": frozenset(
            {"id", "org_id", "name", "value", "stage", "status", "closed_at", "owner_id", "extra", "updated_at"}
        ),
        "contacts": frozenset({"id", "email", "first_name", "status", "title", "owner_id", "created_at"}),
        "accounts": frozenset({"id", "name", "status", "owner_id"}),
        "jobs": frozenset({"id", "title", "status", "owner_id"}),
        "activities": frozenset({"id", "subject", "status", "assignee_id"}),
        "campaign_enrollments": frozenset({"id", "status", "contact_id"}),
        "user_profiles": frozenset({"id", "name", "email"}),
    },
    people=frozenset({ADA}),
    roles=frozenset({"sales"}),
    letters={
        str(LETTER): ("Hello {{contact.first_name|there}}", "{{deal.name}}"),
        "welcome": ("Hello",),
        "broken": ("Hello {{contact.shoe_size}}", "{{ not closed"),
    },
    notices=frozenset({"deal_closed_won"}),
)
MANUAL = {"type": "manual"}
TASK = {"type": "create_task", "config": {"title": "Call {{contact.first_name}}"}}


def program_of(entity_type: str = "deal", **definition: Any) -> Program:
    parts = {"triggers": [MANUAL], "actions": [TASK]} | definition
    found = parse(parts, entity_type=entity_type, workflow_id=UUID(int=7))
    assert found.problems == ()
    assert found.program is not None
    return found.program


def problems_of(entity_type: str = "deal", **definition: Any) -> str:
    return "\n".join(validate(program_of(entity_type, **definition), CATALOG))


def problems_of_step_with(kind: str, entity_type: str = "deal", **config: Any) -> str:
    return problems_of(entity_type, actions=[{"type": kind, "config": config}])
