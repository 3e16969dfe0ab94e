"""The SQL of events."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.sql import Rows, SqlValue, queries_beside
from crm_relay.workflows.entities import ENTITIES

_SQL = queries_beside(__file__)


def listen_to_changes(db: Queryable) -> list[Row]:
    """`relation` and `failure` (an SQLSTATE, or None) of each table whose triggers differed."""
    return db.run(_SQL["listen_to_changes"])


def recovered(db: Queryable) -> list[str]:
    """Tables with an open incident whose events come again."""
    tables = Rows([{"relation": each.table, "entity_type": kind.value} for kind, each in ENTITIES.items()])
    return [row["subject"] for row in db.run(_SQL["recovered"], tables=tables)]


def emit(db: Queryable, **event: SqlValue) -> Row:
    """`is_heard`, `new_id` and `known_id`."""
    return db.run(_SQL["emit"], **event)[0]


def remove_old(db: Queryable, *, before: datetime, limit: int) -> int:
    """How many went."""
    return int(db.run(_SQL["remove_old"], before=before, limit=limit)[0]["removed"])


def lock_traces(tx: Transaction, contacts: Sequence[UUID]) -> None:
    """Events of the contacts and of what is theirs."""
    tx.run(_SQL["lock_traces"], contacts=list(contacts))


def redact(tx: Transaction, contacts: Sequence[UUID]) -> Row:
    """Table -> rows that lost their values; the events are locked first."""
    ids = list(contacts)
    return tx.send_all([_SQL["lock_traces"].bind(contacts=ids), _SQL["redact"].bind(contacts=ids)])[1][0]


def has_column(db: Queryable, table: str, column: str) -> bool:
    """Whether a table of the CRM has it."""
    return bool(db.run(_SQL["has_column"], table=table, column=column))


def watch_field(db: Queryable, org_id: UUID | None, entity_type: str, topic: str, who: str) -> bool:
    """Whether it was not watched before."""
    return bool(db.run(_SQL["watch_field"], org=org_id, entity_type=entity_type, topic=topic, who=who))


def forget_field(db: Queryable, org_id: UUID | None, entity_type: str, topic: str) -> bool:
    """Whether it was watched."""
    return bool(db.run(_SQL["forget_field"], org=org_id, entity_type=entity_type, topic=topic))


def watch_draft(tx: Transaction, workflow_id: UUID, org_id: UUID, topics: Sequence[tuple[str, str]]) -> None:
    """In the place of what was watched for it before."""
    rows = Rows([{"entity_type": entity, "topic": topic} for entity, topic in topics])
    inserting = [_SQL["watch_topics"].bind(workflow_id=workflow_id, org=org_id, topics=rows)] if topics else []
    tx.send_all([_SQL["forget_draft"].bind(workflow_id=workflow_id), *inserting])


def forget_draft(db: Queryable, workflow_id: UUID) -> bool:
    """Whether anything was watched for it."""
    return bool(db.run(_SQL["forget_draft"], workflow_id=workflow_id))


def list_recordings(db: Queryable, org_id: UUID | None, limit: int) -> list[Row]:
    """`org_id`, `entity_type`, `topic`, `since`, `watched_by` and `workflows`."""
    return db.run(_SQL["list_recordings"], org=org_id, limit=limit)


def recorded_since(db: Queryable, org_id: UUID | None, entity_type: str, topic: str) -> datetime | None:
    """None: it is not recorded."""
    rows = db.run(_SQL["recorded_since"], org=org_id, entity_type=entity_type, topic=topic)
    return rows[0]["since"] if rows else None


def recorded_topics(db: Queryable, org_id: UUID, topics: Sequence[tuple[str, str]]) -> list[Row]:
    """`entity_type`, `topic` and `since` of those that are recorded."""
    rows = Rows([{"entity_type": entity, "topic": topic} for entity, topic in topics])
    return db.run(_SQL["recorded_topics"], org=org_id, topics=rows) if topics else []


def heard_since(db: Queryable, workflow_id: UUID) -> datetime | None:
    """Since when all that the published version listens to is heard; None: a part of it is not."""
    since: datetime | None = db.run(_SQL["heard_since"], workflow_id=workflow_id)[0]["since"]
    return since
