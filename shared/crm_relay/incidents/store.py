"""The incidents' SQL."""

from collections.abc import Sequence
from datetime import datetime

from crm_relay.incidents.models import Incident, Kept, News
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)


def open_incidents(db: Queryable, incidents: Sequence[Incident], now: datetime) -> int:
    """How many of these were not open before."""
    rows = db.run(_SQL["open_incidents"], incidents=Json([_as_json(each) for each in incidents]), now=now)
    return int(rows[0]["opened"])


def close_incidents(db: Queryable, kind: str, subjects: Sequence[str], now: datetime) -> int:
    """How many of these were open."""
    return int(db.run(_SQL["close_incidents"], kind=kind, subjects=list(subjects), now=now)[0]["closed"])


def keep_open(db: Queryable, kind: str, incidents: Sequence[Incident], now: datetime, scope: str | None) -> Kept:
    """Everything of the kind that is open in the workspace `scope`, or anywhere, and not among these is closed."""
    given = Json([_as_json(each) for each in incidents])
    (row,) = db.run(_SQL["keep_open"], kind=kind, incidents=given, now=now, scope=scope)
    return Kept(row["opened"], row["closed"])


def claim_news(
    db: Queryable, now: datetime, *, claimed_until: datetime, quiet_since: datetime, limit: int
) -> list[News]:
    """What is open and not told, or has been closed since `quiet_since` and not told as over; ours from here on."""
    rows = db.run(_SQL["claim_news"], now=now, claimed_until=claimed_until, quiet_since=quiet_since, limit=limit)
    return [_news(row) for row in rows]


def record_told(
    db: Queryable, outcomes: Sequence[dict[str, object]], now: datetime, *, claimed_until: datetime
) -> None:
    """Each outcome has ids, is_opening, told, tries and taken_by; what is no longer ours stays as it is."""
    db.run(_SQL["record_told"], outcomes=Json(list(outcomes)), now=now, claimed_until=claimed_until)


def _as_json(incident: Incident) -> dict[str, object]:
    return {
        "kind": incident.kind,
        "subject": incident.subject,
        "workspace_name": incident.workspace_name,
        "title": incident.title,
        "details": dict(incident.details),
    }


def _news(row: Row) -> News:
    return News(**row | {"taken_by": frozenset(row["taken_by"])})
