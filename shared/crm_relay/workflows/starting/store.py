"""The SQL of starts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, Rows, Statement, queries_beside
from crm_relay.workflows.models import EntityEvent

_SQL = queries_beside(__file__)

LINES = 100
"""Of so many lines events are taken at once."""


def claim_events(db: Queryable, now: datetime, *, after: UUID, limit: int) -> list[EntityEvent]:
    """Locked until the transaction ends; of organizations behind `after`."""
    rows = db.run(_SQL["claim_events"], now=now, after=after, limit=limit, lines=LINES)
    return sorted((event_of_row(row) for row in rows), key=lambda event: event.id)


def claim_these(db: Queryable, ids: Sequence[int]) -> list[EntityEvent]:
    """Those that still wait and that nobody else has, locked."""
    return [event_of_row(row) for row in db.run(_SQL["claim_these"], ids=list(ids))]


def active_versions(db: Queryable, lines: Iterable[tuple[UUID, str]]) -> list[Row]:
    """Of organizations and entity types."""
    rows = Rows([{"org_id": org, "entity_type": entity} for org, entity in sorted(lines)])
    return db.run(_SQL["active_versions"], lines=rows) if rows.rows else []


def active_version(db: Queryable, workflow_id: UUID, org_id: UUID | None) -> Row | None:
    """None: it is not published, or not the organization's."""
    rows = db.run(_SQL["active_version"], workflow_id=workflow_id, org_id=org_id)
    return rows[0] if rows else None


def read_programs(db: Queryable, versions: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], object]:
    """As they are stored."""
    rows = Rows([{"workflow_id": workflow, "version": version} for workflow, version in versions])
    return {
        (row["workflow_id"], row["version"]): row["program"] for row in db.run(_SQL["read_programs"], versions=rows)
    }


def holding(instances: Sequence[Mapping[str, Any]], workflows: Sequence[UUID], now: datetime) -> list[Statement]:
    """Locks the instances, their open runs and the paces: three statements for one message."""
    given = Json(list(instances))
    return [
        _SQL["hold_instances"].bind(instances=given, now=now),
        _SQL["open_runs"].bind(instances=given),
        _SQL["hold_paces"].bind(workflows=sorted(workflows), now=now),
    ]


def keys_known(keys: Sequence[Mapping[str, Any]]) -> Statement:
    """Starts that are there already."""
    return _SQL["keys_known"].bind(keys=Json(list(keys)))


def waking(events: Iterable[EntityEvent], now: datetime) -> Statement:
    """The runs that wait for one of these."""
    happened = [{"topic": each.topic, "entity_id": each.entity_id} for each in events]
    return _SQL["wake_runs"].bind(events=Json(happened), now=now)


def ending(runs: Sequence[UUID], now: datetime) -> Statement:
    """Runs that are replaced."""
    return _SQL["end_restarted"].bind(ids=sorted(runs), now=now)


def recording(
    decisions: Sequence[Mapping[str, Any]], paces: Mapping[UUID, datetime], events: Sequence[int], now: datetime
) -> Statement:
    """Everything of a batch; answers how many runs there are now that were not before."""
    paced = [{"workflow_id": workflow, "next_free_at": paces[workflow]} for workflow in sorted(paces)]
    return _SQL["record"].bind(decisions=Json(list(decisions)), paces=Json(paced), events=list(events), now=now)


def attempts(db: Queryable, ids: Sequence[int]) -> dict[int, int]:
    """Event -> how often its starts failed."""
    return {row["id"]: row["attempts"] for row in db.run(_SQL["attempts"], ids=list(ids))}


def postpone(db: Queryable, failed: Mapping[int, datetime | None], now: datetime) -> None:
    """Event -> when it is looked at again; None: never."""
    rows = Rows([{"id": event, "not_before": at} for event, at in sorted(failed.items())])
    db.run(_SQL["postpone"], failed=rows, now=now)


def recovered(db: Queryable) -> list[Row]:
    """`kind` and `subject` of incidents that are over."""
    return db.run(_SQL["recovered"])


def event_of_row(row: Row) -> EntityEvent:
    """Of `entity_events`."""
    return EntityEvent(
        id=row["id"],
        org_id=row["org_id"],
        entity_type=row["entity_type"],
        entity_id=row["entity_id"],
        kind=row["kind"],
        topic=row["topic"],
        changed=_pairs(row["changed"]),
        payload=row["payload"] if isinstance(row["payload"], dict) else {},
        actor=row["actor"],
        origin=row["origin"],
        depth=row["depth"],
        cause=row["cause"],
        occurred_at=row["occurred_at"],
    )


def _pairs(changed: object) -> dict[str, tuple[object, object]]:
    """Whatever anybody may have written into the column."""
    pairs = changed.items() if isinstance(changed, dict) else ()
    return {name: (pair[0], pair[1]) for name, pair in pairs if isinstance(pair, list) and len(pair) == 2}
