"""The SQL of the operator's page: reads only, never a count over a large table."""

from datetime import date, datetime

from crm_relay.operations.dashboard_models import (
    EntitySize,
    FailedTask,
    MauticRun,
    MauticState,
    OpenIncident,
    ProviderDay,
    Workspace,
)
from crm_relay.platform.database import Row, Runs
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def is_alive(db: Runs) -> bool:
    """True, or what Database.run raises."""
    return bool(db.run(_SQL["alive"])[0]["alive"])


def latest_resyncs(db: Runs) -> list[Row]:
    """entity, phase, total, written, swept, next_bucket, ordered_by, started_at, updated_at, finished_at, error."""
    return db.run(_SQL["latest_resyncs"])


def entity_sizes(db: Runs) -> list[EntitySize]:
    """Of everything that is replicated."""
    return [EntitySize(**row) for row in db.run(_SQL["entity_sizes"])]


def mautic_state(db: Runs) -> MauticState:
    """Also before the first run."""
    return MauticState(**db.run(_SQL["mautic_state"])[0])


def mautic_runs(db: Runs, *, at_most: int) -> list[MauticRun]:
    """Newest first."""
    return [MauticRun(**row) for row in db.run(_SQL["mautic_runs"], at_most=at_most)]


def workspaces(db: Runs, now: datetime, *, at_most: int) -> list[Workspace]:
    """By name."""
    return [Workspace(**row) for row in db.run(_SQL["workspaces"], now=now, at_most=at_most)]


def provider_days(db: Runs, *, since: date) -> list[ProviderDay]:
    """Oldest first."""
    return [ProviderDay(**row) for row in db.run(_SQL["provider_days"], since=since)]


def incidents(db: Runs, *, at_most: int) -> list[OpenIncident]:
    """Open ones first, then the newest."""
    return [OpenIncident(**row) for row in db.run(_SQL["incidents"], at_most=at_most)]


def failed_tasks(db: Runs, *, at_most: int) -> list[FailedTask]:
    """Those that nobody has sent again, newest first."""
    return [FailedTask(**row) for row in db.run(_SQL["failed_tasks"], at_most=at_most)]


def waiting_deliveries(db: Runs) -> Row:
    """deliveries and failed_tasks."""
    return db.run(_SQL["waiting_deliveries"])[0]


def fix_versions(db: Runs, fix_id: int) -> Row | None:
    """`before` and `after` are JSON text; None for no such fix."""
    rows = db.run(_SQL["fix_versions"], id=fix_id)
    return rows[0] if rows else None
