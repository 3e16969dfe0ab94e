"""A simulated base with a table of people, and our client on it with a token that a test may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.airtable.connector import AirtableAccount, AirtableConnector
from crm_relay.providers.connectors.access import AccountToken
from crm_relay.providers.connectors.contract import RecordPage, RecordStream, TheirRecord
from crm_relay.providers.connectors.failures import ReconnectNeeded
from local.simulators.airtable import AirtableSimulator, SimulatedBase, SimulatedTable
from tests.support.connections.vendor_specification import RecordingSession

OURS = {"email": "Email", "first_name": "First name", "last_name": "Last name", "company_name": "Company"}


@dataclass
class TestAccess:
    """Hands out `tokens` in order: a 401 moves on to the next."""

    __test__ = False

    tokens: list[str]
    permits: int = 0
    slowed_down: list[float] = field(default_factory=list)

    def take_permit(self, units: int = 1) -> None:
        self.permits += units

    def token(self) -> AccountToken:
        return AccountToken(self.tokens[0], 1)

    def after_refusal(self, refused: AccountToken) -> AccountToken:
        del refused
        self.tokens.pop(0)
        if not self.tokens:
            raise ReconnectNeeded("no token is left")
        return AccountToken(self.tokens[0], 2)

    def slow_down(self, seconds: float) -> None:
        self.slowed_down.append(seconds)

    def pause(self, seconds: float) -> None:
        self.slowed_down.append(seconds)


class AirtablePeople:
    """`email_type`: of the field with the address."""

    def __init__(self, sim: AirtableSimulator, email_type: str = "singleLineText", *, timeout: float = 5.0) -> None:
        self.sim = sim
        self.base: SimulatedBase = sim.base()
        self.table: SimulatedTable = sim.table(self.base)
        sim.change_type(self.table, "Email", email_type)
        self._ids = {each.name: each.id for each in self.table.fields}
        self.access = TestAccess([sim.token()])
        self.session = RecordingSession()
        self.http = HttpClient(sim.url, timeout=(timeout, timeout), repeats=0, session=self.session)

    def settings(self, **changed: Any) -> dict[str, Any]:
        fields = {ours: {"id": self.field_id(name)} for ours, name in OURS.items()}
        return {"base_id": self.base.id, "table_id": self.table.id, "fields": fields, **changed}

    def field_id(self, name: str) -> str:
        """Of a field by the name that it had at the start."""
        return self._ids[name]

    def account(self, **settings: Any) -> AirtableAccount:
        return AirtableConnector().open(self.http, self.access, self.settings(**settings))

    def stream(self, **settings: Any) -> RecordStream:
        return self.account(**settings).streams()[0]

    def add(self, *letters: str, **cells: Any) -> list[str]:
        return [self.sim.add_row(self.table, Email=f"{letter}@x.example", **cells).id for letter in letters]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.sim.rows(self.table)

    @property
    def sent(self) -> list[str]:
        """Requests so far, without ids."""
        known = {self.base.id: "app", self.table.id: "tbl"}
        return [
            f"{each.method} /{'/'.join(known.get(part, part) for part in each.path.split('/')[2:])}"
            for each in self.session.recorded
        ]


def read_all(stream: RecordStream, cursor: str | None = None) -> tuple[list[TheirRecord], RecordPage]:
    """Records of every page, and the last page."""
    records: list[TheirRecord] = []
    while True:
        page = stream.read(cursor)
        records += page.records
        cursor = page.cursor
        assert len(cursor) <= 2000
        if page.is_last:
            return records, page


def by_address(records: list[TheirRecord]) -> Mapping[object, TheirRecord]:
    return {record.fields["email"]: record for record in records}
