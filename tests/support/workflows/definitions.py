"""Workflows in their rows, for tests of what publishing makes of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.platform.database import Database, Row
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Json, SqlValue
from crm_relay.workflows.definition.publish import publish
from tests.support.platform.rows import one, rows_of

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
WON = {"type": "status_change", "field": "status", "to": "won"}
TASK = {"type": "create_task", "config": {"title": "Call {{contact.first_name|them}}"}}


def definition(**parts: Any) -> dict[str, Any]:
    """Of deals that are won, with a task, but for what is given."""
    return {"triggers": [WON], "actions": [TASK]} | parts


def write(column: str, value: object) -> dict[str, Any]:
    return {"type": "update_field", "config": {"field": column, "value": value}}


def field_change(column: str) -> dict[str, Any]:
    return {"type": "field_change", "field": column}


@dataclass
class DefinitionShelf:
    """The workflows of one organization, by plain SQL."""

    db: Database

    def __post_init__(self) -> None:
        self.org: UUID = one(self.db, "select default_org_id() as id")["id"]

    def sql(self, statement: str, **values: SqlValue) -> list[Row]:
        return rows_of(self.db, statement, **values)

    def add(
        self, name: str, entity_type: str = "deal", *, active: bool = False, org: UUID | None = None, **parts: Any
    ) -> UUID:
        """A row, as an application writes it."""
        workflow = uuid4()
        self.sql(
            "insert into workflows (id, org_id, name, entity_type, definition, is_active) "
            "values (:id, :org, :name, :entity, :definition, :active)",
            id=workflow,
            org=org or self.org,
            name=name,
            entity=entity_type,
            definition=Json(definition(**parts)),
            active=active,
        )
        return workflow

    def rewrite(self, workflow: UUID, **parts: Any) -> None:
        """The draft is another one."""
        self.sql("update workflows set definition = :d where id = :id", id=workflow, d=Json(definition(**parts)))

    def colleague(self, name: str = "Ada", role: str = "sales") -> UUID:
        person = uuid4()
        self.sql(
            "insert into user_profiles (id, org_id, name, email, role) values (:id, :org, :name, :email, :role)",
            id=person,
            org=self.org,
            name=name,
            email=f"{person}@example.com",
            role=role,
        )
        return person

    def versions(self, workflow: UUID) -> list[tuple[int, bool, str]]:
        """Number, whether it is active, and who published it."""
        rows = self.sql(
            "select version, is_active, published_by from workflow_versions where workflow_id = :id order by version",
            id=workflow,
        )
        return [(row["version"], row["is_active"], row["published_by"]) for row in rows]

    def row(self, workflow: UUID) -> Row:
        return one(self.db, "select * from workflows where id = :id", id=workflow)

    def topics(self, workflow: UUID) -> set[tuple[str, str]]:
        rows = self.sql("select entity_type, topic from workflow_listeners where workflow_id = :id", id=workflow)
        return {(row["entity_type"], row["topic"]) for row in rows}

    def schedules(self, workflow: UUID) -> dict[int, datetime]:
        rows = self.sql("select trigger_index, next_at from workflow_schedules where workflow_id = :id", id=workflow)
        return {row["trigger_index"]: row["next_at"] for row in rows}

    def incidents(self) -> dict[str, list[str]]:
        """Subject -> problems, of those that are open."""
        rows = self.sql(
            "select subject, details from incidents where kind = 'workflow_definition' and closed_at is null"
        )
        return {row["subject"]: row["details"]["problems"] for row in rows}

    def run(self, workflow: UUID, version: int, status: str) -> UUID:
        """A run of a version."""
        instance, run = uuid4(), uuid4()
        self.sql(
            "insert into workflow_instances (id, org_id, workflow_id, entity_type, entity_id) "
            "values (:id, :org, :workflow, 'deal', :entity)",
            id=instance,
            org=self.org,
            workflow=workflow,
            entity=uuid4(),
        )
        self.sql(
            "insert into workflow_executions (id, org_id, instance_id, workflow_id, version, status) "
            "values (:id, :org, :instance, :workflow, :version, :status)",
            id=run,
            org=self.org,
            instance=instance,
            workflow=workflow,
            version=version,
            status=status,
        )
        return run


def refusal_of(shelf: DefinitionShelf, workflow: UUID) -> str:
    """Why it is not published."""
    with pytest.raises(RejectedInput) as error:
        publish(shelf.db, workflow, NOW)
    assert error.value.status == 422
    return "\n".join(error.value.details)
