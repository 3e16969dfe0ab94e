"""Orders a backfill, stops it, lets it go on, and says how far it is."""

from datetime import datetime
from uuid import UUID, uuid4

from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.backfill import store
from crm_relay.workflows.backfill.models import Backfill
from crm_relay.workflows.starting.store import active_version

BY_OPERATOR = "operator"
"""Why a backfill is stopped."""

MOST_LISTED = 20


def order_backfill(db: Database, workflow_id: UUID, now: datetime, *, who: str) -> Backfill:
    """From now on every round starts as many records as the pace leaves room for.

    RejectedInput with 409 where the workflow is not published, or a backfill of it is not completed.
    """
    version = active_version(db, workflow_id, None)
    if version is None:
        raise RejectedInput("the workflow is not published", status=409)
    ordered = store.order(
        db,
        id=uuid4(),
        org=version["org_id"],
        workflow=workflow_id,
        version=version["version"],
        entity_type=version["entity_type"],
        who=who,
        now=now,
    )
    if not ordered:
        raise RejectedInput("a backfill of this workflow is not completed: resume it or give it up", status=409)
    return list_backfills(db, workflow_id)[0]


def stop_backfill(db: Database, workflow_id: UUID, now: datetime, *, who: str) -> Backfill:
    """It starts nothing more, and keeps its place. RejectedInput with 404 where none is open."""
    return _steered(
        db, store.steer(db, workflow_id, "stopped", now, who=who, reason=BY_OPERATOR, version=None), workflow_id
    )


def resume_backfill(db: Database, workflow_id: UUID, now: datetime, *, who: str) -> Backfill:
    """It goes on behind the last record that it looked at, with the version that is active now.

    RejectedInput with 404 where none is open, with 409 where the workflow is not published.
    """
    version = active_version(db, workflow_id, None)
    if version is None:
        raise RejectedInput("the workflow is not published", status=409)
    steered = store.steer(db, workflow_id, "running", now, who=who, reason=None, version=version["version"])
    return _steered(db, steered, workflow_id)


def give_up_backfill(db: Database, workflow_id: UUID, now: datetime) -> Backfill:
    """The rest of it is not started, and another one can be ordered. RejectedInput with 404 where none is open."""
    if not store.end(db, workflow_id, now):
        raise RejectedInput("no backfill of this workflow is open", status=404)
    return list_backfills(db, workflow_id)[0]


def list_backfills(db: Queryable, workflow_id: UUID) -> list[Backfill]:
    """The newest first."""
    return [Backfill(**row) for row in store.list_all(db, workflow_id, MOST_LISTED)]


def _steered(db: Database, steered: object | None, workflow_id: UUID) -> Backfill:
    if steered is None:
        raise RejectedInput("no backfill of this workflow is open", status=404)
    return list_backfills(db, workflow_id)[0]
