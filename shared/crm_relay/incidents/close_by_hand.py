"""Lists incidents, and closes one that no recovery will close."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_relay.incidents import store
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput

OPERATOR = "operator"
"""Who did it, where it was done at the command line."""


@dataclass(frozen=True)
class IncidentLine:
    """`closed_by` None: nobody closed it by hand, or it has opened again since."""

    id: int
    kind: str
    subject: str
    workspace_name: str | None
    title: str
    details: dict[str, Any]
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None


@dataclass(frozen=True)
class IncidentClosed:
    """`changed` False: it was closed already, by the operator that `closed_by` names, or by its recovery (None)."""

    id: int
    kind: str
    closed_at: datetime
    closed_by: str | None
    changed: bool


def list_incidents(db: Queryable, *, open_only: bool, kind: str | None, limit: int) -> list[IncidentLine]:
    """The newest first."""
    return [IncidentLine(**row) for row in store.list_incidents(db, open_only=open_only, kind=kind, limit=limit)]


def close_by_hand(db: Queryable, incident_id: int, now: datetime, *, who: str = OPERATOR) -> IncidentClosed:
    """Close it, with a line in incident_closures; safe to call twice. RejectedInput with 404 for no such incident.

    Nothing is mended by that: an incident that is still true opens again with the next look at its subject.
    """
    closed = store.close_by_hand(db, incident_id, who=who, now=now)
    if closed is None:
        raise RejectedInput("there is no such incident", status=404)
    return IncidentClosed(**closed)
