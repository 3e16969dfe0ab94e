"""The SQL of definitions: drafts, versions, listeners and schedules."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.sql import Json, Rows, SqlValue, Statement, queries_beside
from crm_relay.workflows.definition.proofs.catalog import References

_SQL = queries_beside(__file__)

INCIDENT = "workflow_definition"
"""The incident of a row that was set active and cannot be published; its subject is organization/workflow."""


def read_drafts(tx: Transaction, ids: Sequence[UUID]) -> list[list[Row]]:
    """Lock organizations, then rows: drafts, then their states, transitions, published, waiting, schedules."""
    names = (
        "lock_definitions",
        "read_drafts",
        "read_states",
        "read_transitions",
        "read_published",
        "read_waiting",
        "read_schedules",
    )
    return tx.send_all([_SQL[name].bind(ids=list(ids)) for name in names])[1:]


def read_catalog(
    tx: Transaction, orgs: Sequence[UUID], wanted: References, states: Sequence[UUID], tables: Sequence[str]
) -> list[list[Row]]:
    """The columns of tables, and what of `wanted` there is."""
    return tx.send_all(
        [
            _SQL["read_columns"].bind(tables=list(tables)),
            _SQL["read_catalog"].bind(
                orgs=list(orgs),
                people=sorted(wanted.people),
                roles=sorted(wanted.roles),
                letters=sorted(wanted.letters),
                notices=sorted(wanted.notices),
                states=list(states),
            ),
        ]
    )


def publishing(
    ids: Sequence[UUID], versions: Sequence[Mapping[str, object]], states: Sequence[Mapping[str, SqlValue]], who: str
) -> list[Statement]:
    """The version of each of `ids` ends, and these take their place."""
    published: list[Mapping[str, SqlValue]] = [
        {"workflow_id": _uuid(version["workflow_id"]), "version": int(str(version["version"]))} for version in versions
    ]
    return [
        _SQL["insert_states"].bind(states=Rows(states)),
        _SQL["end_versions"].bind(ids=list(ids)),
        _SQL["insert_versions"].bind(versions=Json(list(versions)), who=who),
        _SQL["mark_published"].bind(published=Rows(published)),
    ]


def ending(ids: Sequence[UUID]) -> list[Statement]:
    """The version of each of `ids` ends, and none takes its place."""
    return [_SQL["end_versions"].bind(ids=list(ids)), _SQL["mark_inactive"].bind(ids=list(ids))]


def listening(
    ids: Sequence[UUID], listeners: Sequence[Mapping[str, object]], kept: Sequence[Mapping[str, SqlValue]],
    schedules: Sequence[Mapping[str, SqlValue]],
) -> list[Statement]:  # fmt: skip
    """What `ids` listen to, and when they are due, is this and nothing else."""
    return [
        _SQL["forget_listeners"].bind(ids=list(ids)),
        _SQL["insert_listeners"].bind(listeners=Json(list(listeners))),
        _SQL["forget_schedules"].bind(ids=list(ids), kept=Rows(kept)),
        _SQL["insert_schedules"].bind(schedules=Rows(schedules)),
    ]


def to_adopt(db: Queryable, now: datetime, limit: int) -> list[Row]:
    """What SQL has changed of rows: what, id, subject."""
    return db.run(_SQL["to_adopt"], kind=INCIDENT, now=now, limit=limit)


def find_workflows(db: Queryable, workflow_id: UUID | None, name: str, org_id: UUID | None) -> list[UUID]:
    """At most two; the one with this id comes first."""
    return [row["id"] for row in db.run(_SQL["find_workflows"], id=workflow_id, name=name, org=org_id)]


def insert_draft(tx: Transaction, org_id: UUID | None, draft: Mapping[str, Any], who: str) -> Row | None:
    """None: the organization has a workflow of this name."""
    rows = tx.run(_SQL["insert_draft"], org=org_id, who=who, **_columns(draft))
    return rows[0] if rows else None


def save_draft(tx: Transaction, workflow_id: UUID, draft: Mapping[str, Any], who: str) -> Row | None:
    """None: there is no such workflow."""
    rows = tx.run(_SQL["save_draft"], id=workflow_id, who=who, **_columns(draft))
    return rows[0] if rows else None


def note_deactivated(tx: Transaction, org_id: UUID, workflow_id: UUID, who: str) -> None:
    """In its history."""
    tx.run(_SQL["note_deactivated"], org=org_id, id=workflow_id, who=who)


def owner_is_there(tx: Transaction, owner: UUID, org_id: UUID | None) -> bool:
    """Whether an active colleague of the organization has this id."""
    return bool(tx.run(_SQL["owner_is_there"], owner=owner, org=org_id))


def list_workflows(
    db: Queryable, *, org_id: UUID | None, only: UUID | None, after: tuple[str, UUID] | None, limit: int
) -> list[Row]:
    """By name."""
    name, last = after or (None, None)
    return db.run(
        _SQL["list_workflows"], kind=INCIDENT, org=org_id, only=only, after_name=name, after_id=last, limit=limit
    )


def show_definition(db: Queryable, workflow_id: UUID) -> Row | None:
    """The draft; None: there is no such workflow."""
    rows = db.run(_SQL["show_definition"], id=workflow_id)
    return rows[0] if rows else None


def list_versions(db: Queryable, workflow_id: UUID, limit: int) -> list[Row]:
    """The newest first."""
    return db.run(_SQL["list_versions"], id=workflow_id, limit=limit)


def _columns(draft: Mapping[str, Any]) -> dict[str, SqlValue]:
    return {
        "name": draft["name"],
        "description": draft["description"],
        "entity_type": draft["entity_type"],
        "definition": Json(draft["definition"]),
        "owner": draft["owner"],
    }


def _uuid(value: object) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))
