"""The SQL of deciding."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.sql import Statement, queries_beside
from crm_relay.workflows.run_models import Assignee

_SQL = queries_beside(__file__)


def lock_and_read(tx: Transaction, approval: UUID, now: datetime | None) -> list[Row]:
    """One message: the run is locked, then read with the approvals of the step; empty for an unknown approval.

    `now` None: by the database's clock.
    """
    _, rows = tx.send_all(
        [_SQL["lock_run"].bind(approval=approval), _SQL["read_decision"].bind(approval=approval, now=now)]
    )
    return rows


def read(db: Queryable, approval: UUID, now: datetime | None) -> list[Row]:
    """The same without the lock."""
    return db.run(_SQL["read_decision"], approval=approval, now=now)


def everybody(db: Queryable, org_id: UUID) -> dict[UUID, Assignee]:
    """All colleagues of one organization by id, active or not."""
    return {row["id"]: Assignee(**row) for row in db.run(_SQL["read_everybody"], org_id=org_id)}


def people_around(db: Queryable, org_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Assignee]:
    """Colleagues of one organization by id, with those who stand in for them."""
    rows = db.run(_SQL["read_people_around"], org_id=org_id, ids=list(ids))
    return {row["id"]: Assignee(**row) for row in rows}


def recording_decision(**given: str | UUID | datetime | None) -> Statement:
    """id, status, now, notes, name, role, way, using and to."""
    return _SQL["record_decision"].bind(**given)


def waking_run(approval: UUID, now: datetime) -> Statement:
    """The engine looks again who is asked."""
    return _SQL["wake_run"].bind(approval=approval, now=now)
