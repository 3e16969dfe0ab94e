"""The SQL of lists, timelines and explanations."""

from collections.abc import Sequence
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)

RecordKey = tuple[str, UUID]
"""Entity type and id."""


def count_runs(db: Queryable, workflows: Sequence[UUID]) -> list[Row]:
    """`workflow_id`, `status`, `runs`."""
    return db.run(_SQL["count_runs"], ids=list(workflows))


def list_runs(
    db: Queryable, *, workflow: UUID | None, org: UUID | None, statuses: Sequence[str], limit: int
) -> list[Row]:
    """The newest first."""
    return db.run(_SQL["list_runs"], workflow=workflow, org=org, statuses=list(statuses), limit=limit)


def runs_of_record(
    db: Queryable, record: RecordKey, *, workflow: UUID | None, org: UUID | None, statuses: Sequence[str], limit: int
) -> list[Row]:
    """The newest first."""
    return db.run(
        _SQL["runs_of_record"],
        entity_type=record[0],
        entity_id=record[1],
        workflow=workflow,
        org=org,
        statuses=list(statuses),
        limit=limit,
    )


def show_run(db: Queryable, run: UUID) -> Row | None:
    """None: there is no such run."""
    rows = db.run(_SQL["show_run"], id=run)
    return rows[0] if rows else None


def steps_of_run(db: Queryable, run: UUID, limit: int) -> list[Row]:
    """The newest first."""
    return db.run(_SQL["steps_of_run"], id=run, limit=limit)


def actions_of_run(db: Queryable, run: UUID, steps: Sequence[UUID]) -> list[Row]:
    """In the order in which they were made."""
    return db.run(_SQL["actions_of_run"], id=run, steps=list(steps))


def notifications_of_run(db: Queryable, run: UUID, steps: Sequence[UUID]) -> list[Row]:
    """By their actions."""
    return db.run(_SQL["notifications_of_run"], id=run, steps=list(steps))


def logs_of_run(db: Queryable, run: UUID, limit: int) -> list[Row]:
    """The newest first."""
    return db.run(_SQL["logs_of_run"], id=run, limit=limit)


def workflows_for_record(
    db: Queryable, org: UUID, record: RecordKey, *, workflow: UUID | None, limit: int
) -> list[Row]:
    """Those about such records first."""
    return db.run(
        _SQL["workflows_for_record"],
        org=org,
        entity_type=record[0],
        entity_id=record[1],
        workflow=workflow,
        limit=limit,
    )


def decisions_for_record(db: Queryable, record: RecordKey, *, limit: int) -> list[Row]:
    """The newest of each workflow first, at most `limit` of each."""
    return db.run(_SQL["decisions_for_record"], entity_type=record[0], entity_id=record[1], limit=limit)


def waiting_events(db: Queryable, record: RecordKey, *, limit: int) -> list[Row]:
    """The oldest first."""
    return db.run(_SQL["waiting_events"], entity_type=record[0], entity_id=record[1], limit=limit)


def organization_of_record(db: Queryable, record: RecordKey) -> UUID | None:
    """Of a record that is gone; None: nothing is known of it."""
    rows = db.run(_SQL["organization_of_record"], entity_type=record[0], entity_id=record[1])
    return rows[0]["org_id"] if rows else None
