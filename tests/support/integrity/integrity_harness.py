"""PostgreSQL and a twin of the edge that agree, and the faults that a check has to find."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.replication.run import SyncRun
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.integrity.models import CheckOrder, CheckReport, CheckResult, Inspection
from crm_relay.integrity.revert import Reverted, revert
from crm_relay.integrity.run_checks import run_checks
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import SqlValue
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.platform.rows import one, rows_of


@dataclass
class IntegrityHarness:
    """`now` stands still unless a test moves it."""

    db: Database
    now: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(minutes=1))
    table: EdgeTable = field(default_factory=EdgeTwin)
    deadline: Deadline = field(default_factory=lambda: Deadline.after(600))

    def sync(self) -> None:
        """Both directions; afterwards the sides agree, and a day passes."""
        run = SyncRun(self.db, self.table, lambda: self.now, self.deadline)
        run.to_postgres()
        run.to_cache()
        run.to_cache()
        self.now += timedelta(days=1)

    def push(self) -> bool:
        return bool(SyncRun(self.db, self.table, lambda: self.now, self.deadline).to_postgres()["finished"])

    def check(self, *, table: EdgeTable | None = None, **order: Any) -> CheckReport:
        inspection = Inspection(self.db, table or self.table, lambda: self.now, self.deadline, self.push)
        return run_checks(inspection, CheckOrder(**order))

    def revert(self, wanted: str) -> Reverted:
        return revert(self.db, self.table, wanted, who="ada", now=self.now)

    def rows(self, sql: str, **values: SqlValue) -> list[Row]:
        return rows_of(self.db, sql, **values)

    def one(self, sql: str, **values: SqlValue) -> Row:
        return one(self.db, sql, **values)

    def add_prospects(self, number: int) -> list[UUID]:
        return [
            row["id"]
            for row in self.rows(
                "insert into prospects (name, contact_email) select 'P' || n, 'p' || n || '@example.com' "
                "from generate_series(1, :number) n returning id",
                number=number,
            )
        ]

    def add_email(self, **columns: SqlValue) -> UUID:
        """An outbound e-mail that was sent and has its prospect, but for what `columns` say."""
        if "prospect_id" not in columns:
            columns["prospect_id"] = self.add_prospects(1)[0]
        given: dict[str, SqlValue] = {
            "status": "sent",
            "sent_at": self.now - timedelta(hours=3),
            "to_email": "someone@example.org",
        }
        given |= columns
        names = ", ".join(given)
        values = ", ".join(f":{name}" for name in given)
        found: UUID = self.one(f"insert into emails ({names}) values ({values}) returning id", **given)["id"]
        return found

    def email(self, row_id: UUID) -> Row:
        return self.one("select * from emails where id = :id", id=row_id)

    def item(self, entity: Entity, row_id: UUID) -> CacheItem | None:
        return self.table.get(entity, [row_id]).get(row_id)

    def tamper(self, entity: Entity, row_id: UUID, **fields: object) -> CacheItem:
        """Somebody else writes over an item without a word: same version, no waiting edit. The item as it was."""
        item = self.item(entity, row_id)
        assert item is not None
        doc = json.dumps({**json.loads(item.doc or "{}"), **fields})
        self.table.restore(entity, row_id, replace(item, doc=doc), now=self.now)
        return item

    def add_at_edge(self, entity: Entity, *, version: int = 0, name: str = "ghost") -> UUID:
        """A row that PostgreSQL never had, and that does not wait for it either."""
        row_id = uuid4()
        doc = json.dumps({"id": str(row_id), "name": name})
        self.table.restore(entity, row_id, CacheItem(entity, row_id, version, doc, self.now, self.now), now=self.now)
        return row_id

    def findings(self) -> list[tuple[str, str, str, str]]:
        found = self.rows("select check_name, entity, row_id, status from integrity_findings order by id")
        return [(row["check_name"], row["entity"], row["row_id"], row["status"]) for row in found]

    def fixes(self) -> list[Row]:
        return self.rows(
            "select id, run_id, check_name, entity, row_id, action, before, after, applied_at, reverted_at, "
            "reverted_by from integrity_fixes order by id"
        )

    def incidents(self) -> set[str]:
        return {row["kind"] for row in self.rows("select kind from incidents where closed_at is null")}


def result(report: CheckReport, check: str) -> CheckResult:
    (found,) = (each for each in report.results if each.check == check)
    return found
