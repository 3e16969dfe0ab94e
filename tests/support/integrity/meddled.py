"""Two stores that agree but for what somebody meddled with: an item of the edge, and the state of an e-mail."""

import json
from dataclasses import dataclass, replace
from uuid import UUID

from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.replication.run import SyncRun
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database, Row
from tests.support.platform.rows import one, rows_of

STAMPS = {"sync_version", "updated_at"}
"""What every write to a row changes, and the undoing of one, too."""


@dataclass(frozen=True)
class Meddled:
    """`item` is what stands at the edge instead of the prospect's row; `rows` is how the rows of both are."""

    database: Database
    table: EdgeTable
    prospect: UUID
    email: UUID
    item: CacheItem
    rows: tuple[Row, Row]

    @classmethod
    def plant(cls, database: Database, table: EdgeTable) -> "Meddled":
        """Twenty prospects and an e-mail, all a day old; one item has another city, the e-mail an unknown status."""
        prospects = [
            row["id"]
            for row in rows_of(
                database,
                "insert into prospects (name, city, updated_at) "
                "select 'P' || n, 'Porto', now() - interval '1 day' from generate_series(1, 20) n returning id",
            )
        ]
        email = one(
            database,
            "insert into emails (prospect_id, status, sent_at, updated_at) "
            "values (:prospect, 'unheard', now() - interval '2 days', now() - interval '1 day') returning id",
            prospect=prospects[0],
        )["id"]
        rows_of(
            database,
            "insert into edge_resyncs (entity, generation, ordered_by, phase, finished_at) "
            "select entity, 1, 'a test', 'done', now() from edge_entities",
        )
        replicate(database, table)
        item = table.get("prospects", [prospects[7]])[prospects[7]]
        other = replace(item, doc=json.dumps({**json.loads(item.doc or ""), "city": "Elsewhere"}))
        table.restore("prospects", other.row_id, other, now=utc_now())
        return cls(database, table, prospects[7], email, other, _rows(database, prospects[7], email))

    def item_now(self) -> tuple[int, str | None]:
        """Version and content of what stands at the edge instead of the prospect's row."""
        found = self.table.get("prospects", [self.prospect])[self.prospect]
        return found.version, found.doc

    def city_at_edge(self) -> str:
        """Of the prospect."""
        return str(json.loads(self.item_now()[1] or "{}")["city"])

    def status_at_edge(self) -> str:
        """Of the e-mail, once everything is replicated."""
        replicate(self.database, self.table)
        return str(json.loads(self.table.get("emails", [self.email])[self.email].doc or "{}")["status"])

    def rows_now(self) -> tuple[Row, Row]:
        """The prospect's and the e-mail's in PostgreSQL, without stamps."""
        return _rows(self.database, self.prospect, self.email)


def replicate(database: Database, table: EdgeTable) -> None:
    """Everything that changed goes to the edge."""
    SyncRun(database, table, utc_now, Deadline.after(600)).to_cache()


def _rows(database: Database, prospect: UUID, email: UUID) -> tuple[Row, Row]:
    prospect_row = one(database, "select * from prospects where id = :id", id=prospect)
    email_row = one(database, "select * from emails where id = :id", id=email)
    return _without_stamps(prospect_row), _without_stamps(email_row)


def _without_stamps(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in STAMPS}
