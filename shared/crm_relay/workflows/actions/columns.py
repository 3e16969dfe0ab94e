"""Where the rows of each kind of record are, and what a step may write of them."""

from collections.abc import Mapping

from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.writable_fields import ASSIGNABLE, WRITABLE

TABLES: Mapping[EntityType, str] = {
    EntityType.ACCOUNT: "accounts",
    EntityType.CONTACT: "contacts",
    EntityType.DEAL: "deals",
    EntityType.JOB: "jobs",
    EntityType.SUBMISSION: "submissions",
    EntityType.PLACEMENT: "placements",
    EntityType.ACTIVITY: "activities",
    EntityType.ENROLLMENT: "campaign_enrollments",
}


def check_column(entity_type: str, column: str, *, assigns: bool = False) -> None:
    """RejectedInput where a workflow may not write it; `assigns`: by `assign` or `escalate`."""
    if column not in (ASSIGNABLE if assigns else WRITABLE)[EntityType(entity_type)]:
        raise RejectedInput("field: no step of this kind may write it")
