"""The demo's act about the edge cache: rows go there, an e-mail comes back, and both sides change the same one."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

from crm_relay.edge_cache.keys import ENTITIES, Entity
from crm_relay.edge_cache.read import read_row
from crm_relay.edge_cache.record_email import record_email
from crm_relay.edge_cache.replication.conflicts import list_conflicts, revert
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.sql import parse_queries

_SQL = parse_queries((Path(__file__).with_name("queries.sql")).read_text(encoding="utf-8"))
_PROSPECTS = 50


@dataclass
class EdgeAct:
    """`sync` and `check` fire the schedules of cache_sync and integrity_check; `expect` writes a summary line."""

    database: Database
    table: EdgeTable
    sync: Callable[[], object]
    check: Callable[[], object]
    expect: Callable[[str, object, object], None]
    announce: Callable[[str], None]
    email: UUID = field(default_factory=uuid4)

    def play(self) -> None:
        """All scenes, in order."""
        self._rows_go_to_the_edge()
        self._an_email_comes_back()
        self._both_write()
        self._somebody_meddles()

    def _rows_go_to_the_edge(self) -> None:
        self.announce("prospects go to the edge; one moves, one is deleted")
        moved, gone, *_ = (row["id"] for row in self.database.run(_SQL["add_prospects"], count=_PROSPECTS))
        self.sync()
        self.database.run(_SQL["move"], id=moved)
        self.database.run(_SQL["leave"], id=gone)
        self.sync()
        self.expect("at the edge: rows of PostgreSQL", *self._count())
        self.expect("at the edge: the city of the one that moved", "Hamburg", self._read("prospects", moved, "city"))
        self.expect("at the edge: the one that was deleted", None, self._read("prospects", gone, "name"))

    def _an_email_comes_back(self) -> None:
        self.announce("an edge worker records an e-mail, twice")
        content = {"id": str(self.email), "subject": "Written at the edge", "status": "sent"}
        recorded = [record_email(self.table, content, utc_now()).is_new for _ in range(2)]
        self.sync()
        self.expect("an e-mail of the edge, sent twice: new", [True, False], recorded)
        self.expect("in PostgreSQL: the e-mail of the edge", "Written at the edge", self._subject())
        self.expect("edits that wait at the edge", 0, self.table.count_unsynced())

    def _both_write(self) -> None:
        self.announce("both sides change that e-mail; the last write wins, the other one is kept and brought back")
        at = utc_now() + timedelta(seconds=1)
        content = {"id": str(self.email), "subject": "Changed at the edge", "updated_at": at.isoformat()}
        record_email(self.table, content, at)
        self.database.run(_SQL["rename"], id=self.email, at=at + timedelta(seconds=1))
        self.sync()
        self.expect("in PostgreSQL: the later write", "Written in PostgreSQL", self._subject())
        logged = list_conflicts(self.database)
        self.expect("conflicts that were logged", ["postgres"], [each["winner"] for each in logged])
        revert(self.database, logged[0]["id"], who="demo", now=at + timedelta(seconds=2))
        self.sync()
        subject = self._read("emails", self.email, "subject")
        self.expect("at the edge: what was brought back", "Changed at the edge", subject)

    def _somebody_meddles(self) -> None:
        self.announce(
            "somebody changes a copy at the edge behind everybody's back; the nightly check finds and mends it"
        )
        row_id = self.database.run(_SQL["in_berlin"])[0]["id"]
        item = self.table.get("prospects", [row_id])[row_id]
        doc = json.dumps(json.loads(item.doc or "{}") | {"city": "Nowhere"})
        self.table.restore("prospects", row_id, replace(item, doc=doc), now=utc_now())
        self.expect("at the edge: what somebody wrote there", "Nowhere", self._read("prospects", row_id, "city"))
        self.check()
        drifts = self.database.run(_SQL["drifts"], id=row_id)
        self.expect("drift that was found and mended", ["fixed"], [each["status"] for each in drifts])
        self.expect("at the edge: the city that PostgreSQL has", "Berlin", self._read("prospects", row_id, "city"))

    def _subject(self) -> object:
        return self.database.run(_SQL["subject"], id=self.email)[0]["subject"]

    def _read(self, entity: Entity, row_id: UUID, column: str) -> object:
        return (read_row(self.table, entity, row_id, utc_now()).content or {}).get(column)

    def _count(self) -> tuple[int, int]:
        """Rows of PostgreSQL, and those of them that are at the edge."""
        ids = {entity: [row["id"] for row in self.database.run(_SQL["ids"], entity=entity)] for entity in ENTITIES}
        found = [item for entity in ENTITIES for item in self.table.get(entity, ids[entity]).values()]
        return sum(map(len, ids.values())), sum(item.doc is not None for item in found)
