"""The incidents' SQL."""

from collections.abc import Sequence
from datetime import datetime

from crm_relay.incidents.models import Incident, Kept, PendingAlert
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, Statement, queries_beside

_SQL = queries_beside(__file__)


def open_incidents(db: Queryable, incidents: Sequence[Incident], now: datetime) -> int:
    """How many of these were not open before."""
    statement = incidents_to_open(incidents, now)
    return int(db.run(statement.query, **statement.values)[0]["opened"])


def incidents_to_open(incidents: Sequence[Incident], now: datetime) -> Statement:
    """The same, to be sent with others; one row with `opened`."""
    return _SQL["open_incidents"].bind(incidents=Json([_as_json(each) for each in incidents]), now=now)


def close_incidents(db: Queryable, kind: str, subjects: Sequence[str], now: datetime) -> int:
    """How many of these were open."""
    return int(db.run(_SQL["close_incidents"], kind=kind, subjects=list(subjects), now=now)[0]["closed"])


def close_free_incidents(db: Queryable, kind: str, subjects: Sequence[str], now: datetime) -> int:
    """How many of these were open and locked by nobody."""
    return int(db.run(_SQL["close_free_incidents"], kind=kind, subjects=list(subjects), now=now)[0]["closed"])


def keep_open(db: Queryable, kind: str, incidents: Sequence[Incident], now: datetime, scope: str | None) -> Kept:
    """Everything of the kind that is open in the workspace `scope`, or anywhere, and not among these is closed."""
    given = Json([_as_json(each) for each in incidents])
    (row,) = db.run(_SQL["keep_open"], kind=kind, incidents=given, now=now, scope=scope)
    return Kept(row["opened"], row["closed"])


def list_incidents(db: Queryable, *, open_only: bool, kind: str | None, limit: int) -> list[Row]:
    """The columns of an IncidentLine."""
    return db.run(_SQL["list_incidents"], open_only=open_only, kind=kind, limit=limit)


def close_by_hand(db: Queryable, incident_id: int, *, who: str, now: datetime) -> Row | None:
    """The columns of an IncidentClosed; None: there is no such incident."""
    rows = db.run(_SQL["close_by_hand"], id=incident_id, who=who, now=now)
    return rows[0] if rows else None


def claim_alerts(
    db: Queryable, now: datetime, *, claimed_until: datetime, quiet_since: datetime, limit: int
) -> list[PendingAlert]:
    """What is open and not sent, or has been closed since `quiet_since` and not sent as over; claimed by this call."""
    rows = db.run(_SQL["claim_alerts"], now=now, claimed_until=claimed_until, quiet_since=quiet_since, limit=limit)
    return [_alert(row) for row in rows]


def record_sent(
    db: Queryable, outcomes: Sequence[dict[str, object]], now: datetime, *, claimed_until: datetime
) -> None:
    """Each outcome is as _Outcome.as_json says; a row with another claim is left alone."""
    db.run(_SQL["record_sent"], outcomes=Json(list(outcomes)), now=now, claimed_until=claimed_until)


def _as_json(incident: Incident) -> dict[str, object]:
    return {
        "kind": incident.kind,
        "subject": incident.subject,
        "workspace_name": incident.workspace_name,
        "title": incident.title,
        "details": dict(incident.details),
    }


def _alert(row: Row) -> PendingAlert:
    opening = row["opening_taken_by"]
    owed = None if opening is None else frozenset(opening)
    return PendingAlert(**row | {"taken_by": frozenset(row["taken_by"]), "opening_taken_by": owed})


def snooze(db: Queryable, incident_id: int, *, until: datetime | None, who: str | None) -> Row | None:
    """The fields of IncidentSnoozed; None for no such incident."""
    rows = db.run(_SQL["snooze"], id=incident_id, until=until, who=who)
    return rows[0] if rows else None
