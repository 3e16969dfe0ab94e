"""A workspace with contacts, a vendor, and connections between both, under a clock that a test moves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from crm_relay.connections.engine.open_sync import open_sync
from crm_relay.connections.engine.record_sync import RecordSync
from crm_relay.connections.engine.run_due import ConnectionsReport, run_due
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.tokens.grants import put_grant
from crm_relay.connections.tokens.vault import Vault
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database, Row
from crm_relay.platform.encryption.sealed_text import open_sealed, seal
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import Json
from crm_relay.providers.connectors.access import Access
from crm_relay.providers.connectors.contract import Account, Connector
from crm_relay.providers.connectors.oauth_client import OAuthApp
from crm_relay.providers.connectors.setup import ConnectorSetup, set_up
from tests.support.connections.ledger_connector import LedgerConnector
from tests.support.connections.ledger_simulator import KEY
from tests.support.platform.rows import one, rows_of
from tests.support.processes.sudden_death import Life, MortalDatabase, MortalHttp

FIELDS: dict[str, Any] = {
    "email": {"id": "f_mail", "owner": "latest"},
    "first_name": {"id": "f_first", "owner": "ours"},
    "last_name": {"id": "f_last", "owner": "theirs"},
    "title": {"id": "f_title", "owner": "latest"},
}
APP = OAuthApp("client", "secret")


@dataclass
class StaticKey:
    """A master key that lives as long as the test, and counts how often it is asked."""

    name: str = "test"
    asked: int = 0

    def wrap(self, data_key: bytes) -> bytes:
        self.asked += 1
        return seal(b"k" * 32, data_key.hex(), "test")

    def unwrap(self, encrypted: bytes) -> bytes:
        self.asked += 1
        return bytes.fromhex(open_sealed(b"k" * 32, encrypted, "test"))


@dataclass
class ConnectionStage:
    """One workspace. `sleeps` are the waits that the code asked for; none of them takes time."""

    db: Database
    url: str
    vendor_url: str
    connector: Connector = field(default_factory=LedgerConnector)
    ahead: timedelta = timedelta()
    sleeps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.org = one(self.db, "select default_org_id() as id")["id"]
        self.workspace = uuid4()
        rows_of(
            self.db,
            "insert into workspaces (id, org_id, name) values (:id, :org, :name)",
            id=self.workspace,
            org=self.org,
            name=f"workspace {self.workspace}",
        )
        self.context = self.context_for()

    def now(self) -> datetime:
        return utc_now() + self.ahead

    def context_for(self, life: Life | None = None) -> ConnectionContext:
        """Of a process; with a `life` its requests are steps of it."""
        connector = self.connector
        alive = set_up(connector, base_url=self.vendor_url, app=APP, oauth_base=self.vendor_url, timeout=(2.0, 2.0))

        def open_account(access: Access, settings: Mapping[str, object]) -> Account:
            http: HttpClient = HttpClient(self.vendor_url, timeout=(2.0, 2.0), repeats=0)
            if life is not None:
                http = MortalHttp(self.vendor_url, timeout=(2.0, 2.0), repeats=0, life=life)
            return connector.open(http, access, settings)

        setups = {connector.name: ConnectorSetup(connector, open_account, alive.oauth)}
        return ConnectionContext(Vault(StaticKey()), setups, self.sleeps.append)

    def connect(
        self,
        settings: Mapping[str, Any] | None = None,
        credentials: Mapping[str, Any] | None = None,
        *,
        label: str | None = None,
        expires_in: timedelta | None = None,
        confirmed: bool = True,
    ) -> UUID:
        """A connection with encrypted credentials."""
        connection_id: UUID = one(
            self.db,
            """insert into integration_connections (workspace_id, integration_type, label, settings, confirmed_at)
               values (:workspace, :kind, :label, :settings, :confirmed) returning id""",
            workspace=self.workspace,
            kind=self.connector.name,
            label=label,
            settings=Json({"book": "main", "fields": FIELDS} | dict(settings or {})),
            confirmed=self.now() if confirmed else None,
        )["id"]
        expires_at = None if expires_in is None else self.now() + expires_in
        put_grant(self.db, self.context.vault, connection_id, credentials or {"api_key": KEY}, expires_at)
        return connection_id

    def open(
        self, connection_id: UUID, db: Database | None = None, context: ConnectionContext | None = None
    ) -> RecordSync:
        return open_sync(
            db or self.db, context or self.context, connection_id, clock=self.now, deadline=Deadline.after(300)
        )

    def run(self) -> ConnectionsReport:
        """What integration_sync does."""
        return run_due(self.db, self.context, self.now, Deadline.after(300))

    def mortal(self, life: Life) -> tuple[Database, ConnectionContext]:
        """A process that ends at a step."""
        return MortalDatabase(self.url, life), self.context_for(life)

    def contact(self, email: str, **columns: Any) -> UUID:
        names = ["id", "org_id", "email", *columns]
        contact = uuid4()
        rows_of(
            self.db,
            f"insert into contacts ({', '.join(names)}) values ({', '.join(':' + name for name in names)})",
            id=contact,
            org_id=self.org,
            email=email,
            **columns,
        )
        return contact

    def change(self, contact: UUID, **columns: Any) -> None:
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        rows_of(
            self.db,
            f"update contacts set {changes}, updated_at = :now where id = :id",
            id=contact,
            now=self.now(),
            **columns,
        )

    def contacts(self) -> dict[str, Row]:
        """By address, those that were not removed."""
        rows = rows_of(self.db, "select * from contacts where deleted_at is null order by email")
        return {row["email"]: row for row in rows}

    def row(self, connection_id: UUID) -> Row:
        return one(self.db, "select * from integration_connections where id = :id", id=connection_id)

    def rejects(self) -> list[Row]:
        return rows_of(self.db, "select * from integration_rejects order by record_id")

    def incidents(self) -> list[str]:
        """Kinds that are open."""
        rows = rows_of(self.db, "select kind from incidents where closed_at is null order by kind")
        return [row["kind"] for row in rows]
