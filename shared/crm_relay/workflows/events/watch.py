"""Recording for rehearsals: what a draft would listen to, and single fields that somebody names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from crm_relay.platform.database import Database, Queryable, Row, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.entities import CREATED, ENTITIES, EVENT, is_event_name, may_be_listened_to
from crm_relay.workflows.events import store
from crm_relay.workflows.events.listen import listen_to_changes
from crm_relay.workflows.models import EntityType

Topic = tuple[EntityType, str]
"""An entity type, and a column, `+` or `event:` and a name."""

MOST_LISTED: Final = 1_000

_OF_TABLE: Final = {entity.table: kind for kind, entity in ENTITIES.items()}


@dataclass(frozen=True)
class Recording:
    """A topic whose events are kept. `since` None: the table is busy or the column gone, and nothing is kept yet.

    `field` is `table.column`, `table.+` for new records, or `table.event:name`. `watched_by`: who asked for it by its
    name. `workflows`: those that listen to it or whose draft is recorded.
    """

    org_id: UUID
    field: str
    since: datetime | None
    watched_by: str | None
    workflows: tuple[str, ...]


@dataclass(frozen=True)
class FieldWatched:
    """`changed` False: it was so already. `since` as in `Recording`, None also where nobody records it any more."""

    field: str
    changed: bool
    since: datetime | None


def watch_field(db: Database, org_id: UUID | None, field: str, now: datetime, *, who: str) -> FieldWatched:
    """Keep the events of `table.column` for rehearsals, also where no workflow listens to it. Safe to call twice.

    `org_id` None: of the installation's own organization. RejectedInput with 422 for what cannot be listened to.
    """
    kind, topic = topic_of(field)

    def work(tx: Transaction) -> bool:
        _require_column(tx, kind, topic, field)
        return store.watch_field(tx, org_id, kind.value, topic, who)

    changed = db.transact(work)
    listen_to_changes(db, now)
    return FieldWatched(field, changed, store.recorded_since(db, org_id, kind.value, topic))


def stop_watching_field(db: Database, org_id: UUID | None, field: str, now: datetime) -> FieldWatched:
    """Keep them no more, unless a workflow or a draft listens to them. Safe to call twice; errors as above."""
    kind, topic = topic_of(field)
    changed = store.forget_field(db, org_id, kind.value, topic)
    if changed:
        listen_to_changes(db, now)
    return FieldWatched(field, changed, store.recorded_since(db, org_id, kind.value, topic))


def watch_draft(tx: Transaction, workflow_id: UUID, org_id: UUID, topics: Iterable[Topic]) -> None:
    """What is recorded for the draft is this and nothing else; two statements. `listen_to_changes` has to follow."""
    rows = [(kind.value, topic) for kind, topic in sorted(topics, key=lambda each: (each[0].value, each[1]))]
    store.watch_draft(tx, workflow_id, org_id, rows)


def stop_watching_draft(db: Database, workflow_id: UUID, now: datetime) -> bool:
    """Whether it was recorded. What its published version listens to is kept as before."""
    stopped = store.forget_draft(db, workflow_id)
    if stopped:
        listen_to_changes(db, now)
    return stopped


def list_recordings(db: Queryable, org_id: UUID | None = None) -> list[Recording]:
    """By table and topic; `org_id` None: of all organizations."""
    return [_recording(row) for row in store.list_recordings(db, org_id, MOST_LISTED)]


def recorded_topics(db: Queryable, org_id: UUID, topics: Sequence[Topic]) -> dict[Topic, datetime]:
    """Since when each is recorded without a gap; those that are not recorded are missing."""
    wanted = {(kind.value, topic): (kind, topic) for kind, topic in topics}
    rows = store.recorded_topics(db, org_id, sorted(wanted))
    return {wanted[row["entity_type"], row["topic"]]: row["since"] for row in rows}


def field_of(kind: EntityType, topic: str) -> str:
    """As `topic_of` reads it."""
    return f"{ENTITIES[kind].table}.{topic}"


def topic_of(field: str) -> Topic:
    """Of `deals.stage`, `deals.+` or `contacts.event:replied`; RejectedInput with 422 for anything else."""
    table, dot, topic = field.partition(".")
    kind = _OF_TABLE.get(table)
    if not dot or kind is None:
        tables = ", ".join(sorted(_OF_TABLE))
        raise RejectedInput(f"field: TABLE.COLUMN, where the table is one of {tables}", status=422)
    is_event = topic.startswith(EVENT) and is_event_name(topic.removeprefix(EVENT))
    if topic != CREATED and not is_event and (topic.startswith(EVENT) or not may_be_listened_to(topic)):
        raise RejectedInput("field: this cannot be listened to", status=422)
    return kind, topic


def _require_column(tx: Transaction, kind: EntityType, topic: str, field: str) -> None:
    if topic != CREATED and not topic.startswith(EVENT) and not store.has_column(tx, ENTITIES[kind].table, topic):
        raise RejectedInput(f"field: {field.partition('.')[0]} has no such column", status=422)


def _recording(row: Row) -> Recording:
    """Of a table that SQL may have written into: an entity type that nobody knows is shown as it is."""
    entity = next((kind for kind in EntityType if kind.value == row["entity_type"]), None)
    field = f"{row['entity_type']}.{row['topic']}" if entity is None else field_of(entity, row["topic"])
    return Recording(row["org_id"], field, row["since"], row["watched_by"], tuple(row["workflows"]))
