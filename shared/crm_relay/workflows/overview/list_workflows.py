"""Lists workflows with their runs, and runs."""

from collections.abc import Sequence
from uuid import UUID

from crm_relay.platform.database import Queryable
from crm_relay.workflows.definition import drafts
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.overview import store
from crm_relay.workflows.overview.models import STATUSES, RunLine, WorkflowListed

MOST_RUNS = 500


def list_workflows(
    db: Queryable, *, org_id: UUID | None = None, after: tuple[str, UUID] | None = None, limit: int = drafts.MOST_LISTED
) -> list[WorkflowListed]:
    """By name, each with the number of its runs by status; two statements. `after` as in `drafts.list_workflows`."""
    lines = drafts.list_workflows(db, org_id=org_id, after=after, limit=limit)
    counted: dict[UUID, dict[str, int]] = {line.id: {} for line in lines}
    for row in store.count_runs(db, sorted(counted)) if counted else ():
        counted[row["workflow_id"]][row["status"]] = row["runs"]
    return [
        WorkflowListed(
            id=line.id,
            org_id=line.org_id,
            name=line.name,
            entity_type=line.entity_type,
            is_active=line.active_version is not None,
            active_version=line.active_version,
            published_at=line.published_at,
            has_changes=line.has_changes,
            paused_at=line.paused_at,
            paused_reason=line.paused_reason,
            problems=line.problems,
            runs={status: counted[line.id][status] for status in STATUSES if status in counted[line.id]},
        )
        for line in lines
    ]


def list_runs(
    db: Queryable,
    *,
    workflow_id: UUID | None = None,
    org_id: UUID | None = None,
    record: tuple[EntityType, UUID] | None = None,
    statuses: Sequence[str] = (),
    limit: int = 50,
) -> list[RunLine]:
    """The newest first; `statuses` empty: all. One statement."""
    wanted, most = tuple(statuses) or STATUSES, min(limit, MOST_RUNS)
    if record is not None:
        key = (record[0].value, record[1])
        rows = store.runs_of_record(db, key, workflow=workflow_id, org=org_id, statuses=wanted, limit=most)
    else:
        rows = store.list_runs(db, workflow=workflow_id, org=org_id, statuses=wanted, limit=most)
    return [RunLine(**row) for row in rows]
