"""The columns that a workflow may write. Tenants, rights, keys, and what consent goes by are none of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.models import EntityType

WRITABLE: Final[Mapping[EntityType, frozenset[str]]] = MappingProxyType(
    {
        EntityType.ACCOUNT: frozenset({"name", "domain", "industry", "status"}),
        # The ledger of consent knows people by address and number, so those are not for a workflow to change.
        EntityType.CONTACT: frozenset(
            {"first_name", "last_name", "company_name", "title", "timezone", "linkedin_url", "status"}
        ),
        EntityType.DEAL: frozenset(
            {"name", "value", "currency", "stage", "status", "probability", "expected_close_date", "closed_at"}
        ),
        EntityType.JOB: frozenset({"title", "status"}),
        EntityType.SUBMISSION: frozenset({"status"}),
        EntityType.PLACEMENT: frozenset({"status", "start_date", "end_date"}),
        EntityType.ACTIVITY: frozenset({"subject", "description", "status", "priority", "due_date", "completed_at"}),
        # Only campaigns moves its people.
        EntityType.ENROLLMENT: frozenset(),
    }
)
"""For `update_field`."""

ASSIGNABLE: Final[Mapping[EntityType, frozenset[str]]] = MappingProxyType(
    {kind: frozenset({"owner_id"}) for kind in EntityType}
    | {EntityType.ACTIVITY: frozenset({"assignee_id"}), EntityType.ENROLLMENT: frozenset()}
)
"""For `assign`, which makes sure that the colleague is one of the organization."""


def check_column(entity_type: str, column: str, *, assigns: bool = False) -> None:
    """RejectedInput where a workflow may not write it; `assigns`: by `assign` or `escalate`."""
    if column not in (ASSIGNABLE if assigns else WRITABLE)[EntityType(entity_type)]:
        raise RejectedInput("field: no step of this kind may write it")
