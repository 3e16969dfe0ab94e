"""Records of a CRM, workflows that listen to them, and the events that come of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.sql import SqlValue
from tests.support.platform.rows import one, parse, rows_of


@dataclass
class EventStage:
    """One organization; `listen` is what publishing a workflow leaves behind."""

    db: Database
    url: str

    def __post_init__(self) -> None:
        self.org: UUID = one(self.db, "select default_org_id() as id")["id"]

    def other_org(self) -> UUID:
        """A second organization, with nothing in it."""
        return UUID(str(one(self.db, "insert into organizations (name) values ('Other') returning id")["id"]))

    def listener(self, entity: str, *topics: str, org: UUID | None = None) -> UUID:
        """A workflow that listens to `topics`; the triggers are not made yet."""
        workflow: UUID = one(
            self.db,
            "insert into workflows (org_id, name, entity_type) values (:org, 'W', :entity) returning id",
            org=org or self.org,
            entity=entity,
        )["id"]
        for topic in topics:
            self.execute(
                "insert into workflow_listeners (workflow_id, org_id, entity_type, topic) values (:w, :o, :e, :t)",
                w=workflow,
                o=org or self.org,
                e=entity,
                t=topic,
            )
        return workflow

    def listen(self, entity: str, *topics: str, org: UUID | None = None) -> UUID:
        """The same, with the triggers."""
        workflow = self.listener(entity, *topics, org=org)
        assert [row for row in self.make_triggers() if row["sqlstate_of_failure"]] == []
        return workflow

    def make_triggers(self) -> list[Row]:
        """What listen_to_changes touched."""
        return rows_of(self.db, "select * from listen_to_changes()")

    def execute(self, sql: str, **values: SqlValue) -> list[Row]:
        return rows_of(self.db, sql, **values)

    def add(self, table: str, **columns: SqlValue) -> UUID:
        """A row of the organization, unless the columns name another."""
        given: dict[str, SqlValue] = {"id": uuid4(), "org_id": self.org, **columns}
        names, values = ", ".join(given), ", ".join(f":{name}" for name in given)
        return UUID(str(one(self.db, f"insert into {table} ({names}) values ({values}) returning id", **given)["id"]))

    def deal(self, **columns: SqlValue) -> UUID:
        return self.add("deals", **({"name": "Northwind"} | columns))

    def contact(self, email: str | None = "ada@example.com", **columns: SqlValue) -> UUID:
        return self.add("contacts", email=email, **columns)

    def update(self, table: str, record: UUID, **columns: SqlValue) -> None:
        sets = ", ".join(f"{name} = :{name}" for name in columns)
        self.execute(f"update {table} set {sets} where id = :id", id=record, **columns)

    def events(self) -> list[Row]:
        return self.execute("select * from entity_events order by id")

    def changes(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Kind, topic and changed values of each event."""
        return [(row["kind"], row["topic"], row["changed"]) for row in self.events()]

    def within(self, work: Callable[["Transaction"], Any], **settings: str) -> None:
        """One transaction with these settings, such as `app__origin`."""

        def carry(tx: Transaction) -> None:
            for name, value in settings.items():
                tx.run(
                    parse("select set_config(:name, cast(:value as text), true)"),
                    name=name.replace("__", "."),
                    value=value,
                )
            work(tx)

        self.db.transact(carry)

    def incidents(self) -> list[tuple[str, str]]:
        rows = self.execute("select kind, subject from incidents where closed_at is null order by id")
        return [(row["kind"], row["subject"]) for row in rows]
