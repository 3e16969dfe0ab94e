"""The SQL of the operator's page: reads only, never a count over a large table."""

from datetime import date, datetime

from crm_relay.operations.overview.models import (
    EntitySize,
    FailedTask,
    MauticRun,
    MauticState,
    OpenIncident,
    ProviderDay,
    WorkspaceShown,
)
from crm_relay.operations.views.mends import mend_of
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def is_stopped(db: Queryable) -> bool:
    """Whether an operator stopped sending anywhere; what Database.run raises where the database does not answer."""
    return bool(db.run(_SQL["is_stopped"])[0]["is_stopped"])


def outstanding(db: Queryable, now: datetime) -> Row:
    """The fields of Outstanding."""
    return db.run(_SQL["outstanding"], now=now)[0]


def latest_resyncs(db: Queryable) -> list[Row]:
    """entity, phase, total, written, swept, next_bucket, ordered_by, started_at, updated_at, finished_at, error."""
    return db.run(_SQL["latest_resyncs"])


def entity_sizes(db: Queryable) -> list[EntitySize]:
    """Of everything that is replicated."""
    return [EntitySize(**row) for row in db.run(_SQL["entity_sizes"])]


def mautic_state(db: Queryable) -> MauticState:
    """Also before the first run."""
    return MauticState(**db.run(_SQL["mautic_state"])[0])


def mautic_runs(db: Queryable, *, limit: int) -> list[MauticRun]:
    """Newest first."""
    return [MauticRun(**row) for row in db.run(_SQL["mautic_runs"], limit=limit)]


def workspaces(db: Queryable, now: datetime, *, limit: int) -> list[WorkspaceShown]:
    """By name."""
    return [WorkspaceShown(**row) for row in db.run(_SQL["workspaces"], now=now, limit=limit)]


def provider_days(db: Queryable, *, since: date) -> list[ProviderDay]:
    """Oldest first."""
    return [ProviderDay(**row) for row in db.run(_SQL["provider_days"], since=since)]


def incidents(db: Queryable, *, limit: int) -> list[OpenIncident]:
    """Open ones first, then the newest."""
    return [OpenIncident(**row, mend=mend_of(row["kind"])) for row in db.run(_SQL["incidents"], limit=limit)]


def failed_tasks(db: Queryable, *, limit: int) -> list[FailedTask]:
    """Those that nobody has sent again, newest first."""
    return [FailedTask(**row) for row in db.run(_SQL["failed_tasks"], limit=limit)]


def waiting_deliveries(db: Queryable) -> Row:
    """deliveries and failed_tasks."""
    return db.run(_SQL["waiting_deliveries"])[0]


def fix_versions(db: Queryable, fix_id: int) -> Row | None:
    """`before` and `after` are JSON text; None for no such fix."""
    rows = db.run(_SQL["fix_versions"], id=fix_id)
    return rows[0] if rows else None
