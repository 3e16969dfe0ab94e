"""How many statements each kind of sync takes: a constant, and a few more for every thousand records."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.tokens.vault import Vault
from crm_relay.platform.database import Database
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.connectors.contract import TheirRecord
from crm_relay.providers.connectors.setup import ConnectorSetup
from tests.support.connections.connection_stage import ConnectionStage, StaticKey
from tests.support.connections.memory_vendor import MemoryVendor
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import rows_of

# Each sync here has a process of its own, which reads the data key of the grant; others of the process would have it.
IDLE, PER_THOUSAND = 15, 12
KINDS = ("preview", "first", "idle", "changed here", "changed there", "complete")


@dataclass
class StatementCount:
    """Syncs of one connection, each with the statements that it takes from the first look at its row."""

    url: str
    stage: ConnectionStage
    connection: UUID
    vendor: MemoryVendor
    taken: dict[str, int] = field(default_factory=dict)

    def sync(self, kind: str, *, synced: int) -> None:
        setup = ConnectorSetup(self.vendor, lambda access, settings: self.vendor.open(HttpClient(""), access, settings))
        context = ConnectionContext(Vault(StaticKey()), {self.vendor.name: setup}, self.stage.sleeps.append)
        with CountingProxy(self.url) as proxy:
            database = Database(proxy.url, timeout=300)
            one = self.stage.open(self.connection, database, context)
            result = one.preview() if kind == "preview" else one.sync(complete=kind == "complete")
            database.close()
            assert (result.success, result.records_synced) == (True, synced), (kind, result)
            self.taken[kind] = len(proxy.queries)


def statements(database: Database, url: str, thousands: int) -> dict[str, int]:
    """Of each kind of sync of so many thousands of people: a quarter is there alone, a quarter on both sides."""
    for table in ("integration_connections", "contacts"):
        rows_of(database, f"delete from {table}")
    vendor, people = MemoryVendor(), thousands * 1_000
    stage = ConnectionStage(database, url, "http://127.0.0.1:9", vendor)
    counted = StatementCount(url, stage, stage.connect({}, {"api_key": "key"}), vendor)
    ours, theirs = range(people // 4, people), range(people // 2)
    rows_of(
        database,
        """insert into contacts (org_id, email, first_name)
           select :org, 'p' || n || '@example.com', 'Ours' from generate_series(cast(:first as integer), :last) n""",
        org=stage.org,
        first=ours.start,
        last=ours.stop - 1,
    )
    for number in theirs:
        fields = {"email": f"p{number}@example.com", "first_name": None, "last_name": "Theirs", "title": None}
        vendor.people[f"t{number:06}"] = TheirRecord(f"t{number:06}", fields)
    # What comes in, and what goes there; who is on both sides is changed on both by the first sync.
    both = people // 4
    counted.sync("preview", synced=people)
    counted.sync("first", synced=people + both)
    counted.sync("idle", synced=0)
    rows_of(database, "update contacts set title = 'Changed'")
    counted.sync("changed here", synced=people)
    vendor.change_all(last_name="Changed")
    counted.sync("changed there", synced=people)
    counted.sync("complete", synced=0)
    return counted.taken


def test_a_thousand_records_take_a_few_statements(database: Database, database_url: str) -> None:
    one, three = statements(database, database_url, 1), statements(database, database_url, 3)
    assert sorted(one) == sorted(KINDS)
    assert one["idle"] == three["idle"] <= IDLE
    assert {kind: count for kind, count in one.items() if count - one["idle"] > PER_THOUSAND} == {}
    assert {kind: count for kind, count in three.items() if count - one[kind] > 2 * PER_THOUSAND} == {}
