"""PostgreSQL and a twin of the edge between which rows are replicated, and what their users do on both sides."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from crm_relay.edge_cache.keys import ENTITIES, Entity
from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.record_email import record_edit
from crm_relay.edge_cache.replication.run import SyncRun
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import SqlValue
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.platform.rows import one, rows_of

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
"""Later than the database's own clock: who writes at the edge writes later, unless a test says otherwise."""

_NEW: dict[Entity, str] = {
    "prospects": "insert into prospects (id, name, contact_email) values (:id, :name, 'p@example.com')",
    "campaigns": "insert into campaigns (id, name) values (:id, :name)",
    "mailboxes": "insert into mailboxes (id, email, name) values (:id, 'box@example.com', :name)",
    "emails": "insert into emails (id, subject, status) values (:id, :name, 'queued')",
}
NAME: dict[Entity, str] = {"prospects": "name", "campaigns": "name", "mailboxes": "name", "emails": "subject"}
"""The column that a test changes."""


@dataclass
class EdgeHarness:
    """`now` stands still unless a test moves it."""

    db: Database
    table: EdgeTwin = field(default_factory=EdgeTwin)
    now: datetime = START
    deadline: Deadline = field(default_factory=lambda: Deadline.after(3600))
    url: str = ""

    def __post_init__(self) -> None:
        self.table.clock = lambda: self.now

    def later(self, **duration: float) -> datetime:
        self.now += timedelta(**duration)
        return self.now

    def run(self, db: Database | None = None) -> SyncRun:
        return SyncRun(db or self.db, self.table, lambda: self.now, self.deadline)

    def to_cache(self, only: list[Entity] | None = None) -> dict[str, Any]:
        return self.run().to_cache(only)

    def to_postgres(self) -> dict[str, Any]:
        return self.run().to_postgres()

    def resync(self, entity: Entity) -> dict[str, Any]:
        return self.run().resync(entity)

    def sync(self) -> None:
        """As the two schedules do it, until what had to wait is through."""
        for _ in range(3):
            self.to_postgres()
            self.to_cache()
            self.later(hours=1)

    def begin(self) -> None:
        """An installation whose first run is behind it, with a row in every table: an empty one is not believed."""
        for entity in ENTITIES:
            self.add(entity, "always there")
        self.to_cache()

    def sql(self, sql: str, **values: SqlValue) -> list[Row]:
        return rows_of(self.db, sql, **values)

    def one(self, sql: str, **values: SqlValue) -> Row:
        return one(self.db, sql, **values)

    def add(self, entity: Entity = "prospects", name: str = "first", row_id: UUID | None = None) -> UUID:
        """A row in PostgreSQL."""
        row_id = row_id or uuid4()
        self.sql(_NEW[entity], id=row_id, name=name)
        return row_id

    def add_many(self, number: int) -> None:
        self.sql("insert into prospects (name) select 'P' || n from generate_series(1, :number) n", number=number)

    def change(self, row_id: UUID, name: str, entity: Entity = "prospects", at: datetime | None = None) -> None:
        """In PostgreSQL; `at` None: by an application that does not say when."""
        also = "" if at is None else ", updated_at = :at"
        given: dict[str, SqlValue] = {} if at is None else {"at": at}
        self.sql(f"update {entity} set {NAME[entity]} = :name{also} where id = :id", id=row_id, name=name, **given)

    def delete(self, row_id: UUID, entity: Entity = "prospects") -> None:
        self.sql(f"delete from {entity} where id = :id", id=row_id)

    def edit(self, row_id: UUID, name: str, entity: Entity = "emails", at: datetime | None = None) -> CacheItem:
        """At the edge, of the whole item as it stands there."""
        known = self.item(row_id, entity)
        content = json.loads(known.doc) if known and known.doc else {"id": str(row_id)}
        content |= {NAME[entity]: name, "updated_at": (at or self.now).isoformat()}
        record_edit(self.table, entity, content, self.now)
        found = self.item(row_id, entity)
        assert found is not None
        return found

    def edit_raw(self, row_id: UUID, doc: str, entity: Entity = "emails") -> CacheItem:
        """At the edge, past all that our own code looks at."""
        return self.table.edit(entity, row_id, doc, edited_at=self.now)

    def item(self, row_id: UUID, entity: Entity = "prospects") -> CacheItem | None:
        return self.table.get(entity, [row_id]).get(row_id)

    def doc(self, row_id: UUID, entity: Entity = "prospects") -> dict[str, Any]:
        """The document at the edge, which has to be there."""
        item = self.item(row_id, entity)
        assert item is not None
        assert item.doc is not None
        found: dict[str, Any] = json.loads(item.doc)
        return found

    def edge(self, row_id: UUID, entity: Entity = "prospects") -> str | None:
        """The name at the edge; None where there is nothing or a tombstone."""
        item = self.item(row_id, entity)
        return None if item is None or item.doc is None else str(json.loads(item.doc)[NAME[entity]])

    def postgres(self, row_id: UUID, entity: Entity = "prospects") -> str | None:
        rows = self.sql(f"select {NAME[entity]} as name from {entity} where id = :id", id=row_id)
        return rows[0]["name"] if rows else None

    def both(self, row_id: UUID, entity: Entity = "emails") -> tuple[str | None, str | None]:
        """In PostgreSQL and at the edge."""
        return self.postgres(row_id, entity), self.edge(row_id, entity)

    def waiting(self) -> int:
        return int(self.one("select count(*) as n from edge_changes")["n"])

    def parked(self, direction: str = "to_cache") -> dict[UUID, str]:
        rows = self.sql("select id, reason from edge_parked where direction = :direction", direction=direction)
        return {row["id"]: row["reason"] for row in rows}

    def conflicts(self) -> list[Row]:
        return self.sql(
            "select id, entity, row_id, postgres_doc, edge_doc, winner, rule, differing, reverted_at "
            "from edge_conflicts order by id"
        )

    def open_incidents(self) -> list[tuple[str, str]]:
        rows = self.sql("select kind, subject from incidents where closed_at is null order by subject")
        return [(row["kind"], row["subject"]) for row in rows]

    def items(self) -> dict[tuple[Entity, UUID], tuple[int, str]]:
        """Everything that a reader at the edge finds: version and document."""
        found = [item for entity in ENTITIES for page in self.table.every_item(entity) for item in page]
        return {(item.entity, item.row_id): (item.version, item.doc) for item in found if item.doc is not None}

    def source(self) -> dict[tuple[Entity, UUID], tuple[int, str]]:
        """What a reader should find."""
        rows = self.sql("select entity, id, version, doc from edge_source")
        return {(row["entity"], row["id"]): (row["version"], row["doc"]) for row in rows}

    def assert_equal(self) -> None:
        items, source = self.items(), self.source()
        differing = [key for key in items.keys() | source.keys() if items.get(key) != source.get(key)]
        assert not differing, [(key, source.get(key), items.get(key), self.item(key[1], key[0])) for key in differing]
