"""The SQL of lists."""

from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def list_connections(db: Queryable, *, connection: UUID | None, workspace: UUID | None, limit: int) -> list[Row]:
    """By workspace, kind and label."""
    return db.run(_SQL["list_connections"], connection=connection, workspace=workspace, limit=limit)


def list_rejects(db: Queryable, connection: UUID, limit: int) -> list[Row]:
    """The longest waiting first."""
    return db.run(_SQL["list_rejects"], connection=connection, limit=limit)


def list_syncs(db: Queryable, connection: UUID, limit: int) -> list[Row]:
    """The newest first."""
    return db.run(_SQL["list_syncs"], connection=connection, limit=limit)


def workspace_called(db: Queryable, called: str) -> UUID | None:
    """None where there is none."""
    rows = db.run(_SQL["workspace_called"], called=called)
    return rows[0]["id"] if rows else None
