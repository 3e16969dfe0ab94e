"""The demo's act about connections: a base of Airtable and contacts in step, both ways, for years."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import requests

from crm_relay.connections.oauth.ticket import make_ticket
from crm_relay.connections.steer import ConnectionChange, steer
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import parse_queries
from local.simulators.airtable import AirtableSimulator, SimulatedBase, SimulatedTable

_SQL = parse_queries((Path(__file__).with_name("queries.sql")).read_text(encoding="utf-8"))
_THERE, _BOTH, _OURS = 30, 5, 12
_KNOWN, _UNKNOWN = "Contoso", "Unheard-of Ltd"
_OWNER, _REFUSED, _EDITED = "mary@example.org", "base1@example.net", "base7@example.net"


@dataclass
class ConnectionAct:
    """`fire` is the schedule of integration_sync."""

    airtable: AirtableSimulator
    database: Database
    base_url: str
    fire: Callable[[], object]
    expect: Callable[[str, object, object], None]
    announce: Callable[[str], None]

    def play(self) -> None:
        """All scenes, in order."""
        self._an_account_is_connected()
        self._the_first_sync()
        self._both_sides_edit()
        self._a_refused_record_is_mended()
        self._nothing_changes()

    @cached_property
    def base(self) -> SimulatedBase:
        """The one that the simulator brings."""
        return next(iter(self.airtable.account.bases.values()))

    @cached_property
    def table(self) -> SimulatedTable:
        """Thirty people, of them five contacts here, and companies that are a choice of two."""
        table = self.base.tables[0]
        self.airtable.change_type(table, "Company", "singleSelect")
        for number in range(_THERE):
            self.airtable.add_row(table, Email=f"base{number + 8}@example.net", Company=_KNOWN)
        return table

    @cached_property
    def place(self) -> Row:
        """Ids of the workspace and of the owner of its contacts."""
        return self.database.run(_SQL["insert_people"], owner=_OWNER, known=_KNOWN, unknown=_UNKNOWN)[0]

    @property
    def connection(self) -> Row:
        """As it is now."""
        return self.database.run(_SQL["connection"], workspace=self.place["workspace"])[0]

    def _an_account_is_connected(self) -> None:
        self.announce("a workspace connects a base of Airtable by OAuth, in a browser")
        columns = {"email": "Email", "first_name": "First name", "last_name": "Last name", "company_name": "Company"}
        owners = {"first_name": "ours", "last_name": "theirs"}
        fields = {
            ours: {"id": field.id, "owner": owners.get(ours, "latest")}
            for ours, name in columns.items()
            if (field := self.table.field(name)) is not None
        }
        settings = {
            "base_id": self.base.id,
            "table_id": self.table.id,
            "fields": fields,
            "contacts": {"owner": str(self.place["owner"])},
        }
        self.expect("the browser comes back to a page with status", 200, self._consent(settings))

    def _consent(self, settings: dict[str, Any]) -> int:
        """A browser goes to Airtable and back; the person says yes."""
        ticket = make_ticket(
            self.database,
            provider="airtable",
            workspace=self.place["workspace"],
            started_by=_OWNER,
            now=utc_now(),
            settings=settings,
        )
        browser = requests.Session()
        start = f"{self.base_url}/oauth/airtable/start"
        return browser.get(start, params={"ticket": ticket}, timeout=30).status_code

    def _the_first_sync(self) -> None:
        self.fire()
        self.expect("the first sync only shows what it would do: held for", "preview", self.connection["held_for"])
        self.expect("rows of the table meanwhile", _THERE, len(self.table.records))
        self._steer(ConnectionChange.CONFIRM)
        self.fire()
        # One of ours is refused for now.
        self.expect("rows after the first sync", _THERE + _OURS - _BOTH - 1, len(self.table.records))
        row = self.database.run(_SQL["is_equal"], connection=self._id)[0]
        self.expect("both sides equal, by count and digest", True, row["is_equal"])

    def _both_sides_edit(self) -> None:
        self.announce("both sides edit the same person, and the token expires")
        row = next(each for each in self.airtable.rows(self.table) if each["Email"] == _EDITED)
        self.airtable.edit_row(self.table, row["id"], First_name="theirs", Last_name="theirs")
        self.database.run(_SQL["edit"], email=_EDITED, first="ours", last="ours")
        before = self.airtable.requests["POST /oauth2/v1/token"]
        self.airtable.expire_access_tokens()
        self._sync()
        refreshed = self.airtable.requests["POST /oauth2/v1/token"] - before
        self.expect("requests for a new token", 1, refreshed)
        found = self.database.run(_SQL["contact"], email=_EDITED)[0]
        there = next(each for each in self.airtable.rows(self.table) if each["Email"] == _EDITED)
        self.expect("a field that is ours, and one that is theirs: here", ("ours", "theirs"), tuple(found.values()))
        names = (there["First name"], there["Last name"])
        self.expect("a field that is ours, and one that is theirs: there", ("ours", "theirs"), names)

    def _a_refused_record_is_mended(self) -> None:
        refused = self.database.run(_SQL["rejects"], connection=self._id)
        self.expect("records that Airtable refused, named with the reason", 1, len(refused))
        self.database.run(_SQL["mend"], email=_REFUSED, known=_KNOWN)
        self._sync()
        found = (len(self.database.run(_SQL["rejects"], connection=self._id)), len(self.table.records))
        self.expect("refused records and rows once it is mended", (0, _THERE + _OURS - _BOTH), found)

    def _nothing_changes(self) -> None:
        # The echo of our own write is read once, and what changed within a minute or two of a read is read twice.
        for _ in range(2):
            self.airtable.advance(300)
            self._sync()
        before = self.airtable.calls
        self._sync()
        self.expect("requests to Airtable when nothing changed", 1, self.airtable.calls - before)

    def _sync(self) -> None:
        self._steer(ConnectionChange.SYNC)
        self.fire()

    @property
    def _id(self) -> UUID:
        found: UUID = self.connection["id"]
        return found

    def _steer(self, change: ConnectionChange) -> None:
        steer(self.database, self._id, change, _OWNER, utc_now())
